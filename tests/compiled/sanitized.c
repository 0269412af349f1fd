/* Runs a program on the numbers in a file, with each array between entries that nobody may touch. */
#include <sanitizer/asan_interface.h>
#include <stdio.h>

static long whole(FILE *file)
{
    long value = 0;
    if (fread(&value, sizeof value, 1, file) != 1) exit(2);
    return value;
}

/* memory for arrays that each begin at a start and have a size; what is between them is poisoned */
static real *memory(FILE *file)
{
    long count = whole(file), size = whole(file), end = 0;
    real *result = calloc(size, sizeof(real));
    for (long n = 0; n < count; n++) {
        long start = whole(file), length = whole(file);
        ASAN_POISON_MEMORY_REGION(result + end, (start - end) * sizeof(real));
        end = start + length;
    }
    ASAN_POISON_MEMORY_REGION(result + end, (size - end) * sizeof(real));
    return result;
}

int main(int count, char **names)
{
    FILE *file = fopen(names[1], "rb");
    if (count != 2 || !file) return 2;
    long many = whole(file);
    real **sources = calloc(many + 1, sizeof *sources);
    for (long n = 0; n < many; n++) {
        long size = whole(file);
        sources[n] = malloc(size * sizeof(real));
        if (fread(sources[n], sizeof(real), size, file) != (size_t) size) return 2;
    }
    long *sizes = calloc((many = whole(file)) + 1, sizeof *sizes);
    for (long n = 0; n < many; n++) sizes[n] = whole(file);
    real *work = memory(file), *gradients = memory(file);
    library none = {0, 1};
    run(sources, 0, work, sizes, &none);
    run(sources, gradients, work, sizes, &none);
    puts("ran");
    return 0;
}
