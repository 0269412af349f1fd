/* The products of matrices that a compiled derivation calls: C (m, n) = or += A (m, k) B (k, n).

   B is read in panels of COLUMNS columns, with the rows of a panel one after the other, as in K. Goto and
   R. van de Geijn (ACM Transactions on Mathematical Software 34, 2008). A loop that does not change B
   has it packed once, before the loop; else DEPTH rows of a panel are packed at a time. A block of
   ROWS rows of C stays in registers. What is left of the rows of C is computed row by row. */

#define LARGE 200000.0   /* multiplications of a product that a library does sooner */
#define THREADED 1e6     /* multiplications that several threads do sooner than one, B packed or not */
#define MANY 128         /* columns of a row that no longer stays in registers */
#define FEW 4            /* rows that are worth a panel */

typedef void gemm_function(int order, int a_turned, int b_turned, long m, long n, long k,
                           real alpha, const real *a, long lda, const real *b, long ldb, real beta,
                           real *c, long ldc);
typedef struct {
    gemm_function *multiply; /* or 0 */
    long threads;            /* that it uses */
} library;

#ifdef __AVX512F__
#define VECTOR 64
#define ROWS 8
#else
#define VECTOR 32
#define ROWS 6
#endif
#define LANES ((long) (VECTOR / sizeof(real)))
#define COLUMNS (2 * LANES)
#define DEPTH 256
typedef real lanes __attribute__((vector_size(VECTOR)));

static inline lanes load(const real *p)
{
    lanes x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline void store(real *p, lanes x) { memcpy(p, &x, sizeof x); }

/* C (rows, width lanes) = or += A (rows, k) B, with the sums in registers; two lanes of a row of B lie
   together, and the next two a panel further on */
#define BLOCK(rows, width)                                                                         \
    static inline void block_##rows##_##width(long k, const real *a, long a_row, long a_column,     \
                                              const real *b, long b_row, long panel, real *c,       \
                                              long c_row, int adds)                                 \
    {                                                                                              \
        lanes sums[rows][width];                                                                   \
        for (int i = 0; i < rows; i++)                                                             \
            for (int j = 0; j < width; j++)                                                        \
                sums[i][j] = adds ? load(c + i * c_row + j * LANES) : (lanes) {0};                 \
        for (long l = 0; l < k; l++) {                                                             \
            lanes row[width];                                                                      \
            for (int j = 0; j < width; j++)                                                        \
                row[j] = load(b + l * b_row + j / 2 * panel + j % 2 * LANES);                      \
            for (int i = 0; i < rows; i++)                                                         \
                for (int j = 0; j < width; j++)                                                    \
                    sums[i][j] += a[i * a_row + l * a_column] * row[j];                            \
        }                                                                                          \
        for (int i = 0; i < rows; i++)                                                             \
            for (int j = 0; j < width; j++) store(c + i * c_row + j * LANES, sums[i][j]);          \
    }

#if ROWS == 8
BLOCK(8, 2)
#define most_rows block_8_2
#else
BLOCK(6, 2)
#define most_rows block_6_2
#endif
BLOCK(4, 2)
BLOCK(1, 2)
BLOCK(1, 4)
BLOCK(1, 8)

/* the panels of B (k, n); what is missing of the last one is 0 */
static void pack(long k, long n, const real *b, long b_row, long b_column, real *packed)
{
    for (long j = 0; j < n; j += COLUMNS) {
        long width = n - j < COLUMNS ? n - j : COLUMNS;
        for (long l = 0; l < k; l++, packed += COLUMNS) {
            for (long q = 0; q < width; q++) packed[q] = b[l * b_row + (j + q) * b_column];
            for (long q = width; q < COLUMNS; q++) packed[q] = 0;
        }
    }
}

/* the columns of C that belong to one panel, of which width are there */
static void multiply_panel(long m, long k, const real *a, long a_row, long a_column,
                           const real *panel, real *c, long c_row, long width, int adds)
{
    real whole[ROWS * COLUMNS]; /* a block of C with all columns of the panel */
    for (long i = 0, rows; i < m; i += rows, a += rows * a_row, c += rows * c_row) {
        int is_whole = width == COLUMNS, sums = is_whole && adds;
        real *to = is_whole ? c : whole;
        long to_row = is_whole ? c_row : COLUMNS;
        rows = m - i >= ROWS ? ROWS : m - i >= 4 ? 4 : 1;
        if (rows == ROWS) most_rows(k, a, a_row, a_column, panel, COLUMNS, 0, to, to_row, sums);
        else if (rows == 4) block_4_2(k, a, a_row, a_column, panel, COLUMNS, 0, to, to_row, sums);
        else block_1_2(k, a, a_row, a_column, panel, COLUMNS, 0, to, to_row, sums);
        for (long r = 0; r < rows && !is_whole; r++)
            for (long j = 0; j < width; j++)
                c[r * c_row + j] = (adds ? c[r * c_row + j] : 0) + whole[r * COLUMNS + j];
    }
}

/* row c (n) += row a (k) B (k, n) for many columns: four rows of B at a time, in the order of memory */
static void multiply_row(long n, long k, const real *restrict a, const real *restrict b,
                         real *restrict c, long a_column, long b_row)
{
    long l = 0;
    for (; l + 4 <= k; l += 4) {
        const real *p = b + l * b_row;
        real a0 = a[l * a_column], a1 = a[(l + 1) * a_column], a2 = a[(l + 2) * a_column],
             a3 = a[(l + 3) * a_column];
        for (long j = 0; j < n; j++)
            c[j] += a0 * p[j] + a1 * p[b_row + j] + a2 * p[2 * b_row + j] + a3 * p[3 * b_row + j];
    }
    for (; l < k; l++)
        for (long j = 0; j < n; j++) c[j] += a[l * a_column] * b[l * b_row + j];
}

/* few rows of C, each by itself; the entries of a row of B, and of C, lie together */
static void multiply_rows(long m, long n, long k, const real *a, const real *b, real *c, long a_row,
                          long a_column, long b_row, long c_row, int adds)
{
    for (long i = 0; i < m; i++, a += a_row, c += c_row) {
        long j = 0, panel = COLUMNS;
        if (n <= MANY) {
            for (; j + 8 * LANES <= n; j += 8 * LANES)
                block_1_8(k, a, 0, a_column, b + j, b_row, panel, c + j, 0, adds);
            for (; j + 4 * LANES <= n; j += 4 * LANES)
                block_1_4(k, a, 0, a_column, b + j, b_row, panel, c + j, 0, adds);
            for (; j + 2 * LANES <= n; j += 2 * LANES)
                block_1_2(k, a, 0, a_column, b + j, b_row, panel, c + j, 0, adds);
        }
        for (long p = j; p < n && !adds; p++) c[p] = 0;
        multiply_row(n - j, k, a, b + j, c + j, a_column, b_row);
    }
}

/* few columns of B, whose entries lie together, with each row of A */
static void multiply_columns(long m, long n, long k, const real *a, const real *b, real *c,
                             long a_row, long a_column, long b_row, long b_column, long c_row,
                             int adds)
{
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++) {
            real sum = 0;
#pragma omp simd reduction(+ : sum)
            for (long l = 0; l < k; l++) sum += a[i * a_row + l * a_column] * b[l * b_row + j * b_column];
            c[i * c_row + j] = (adds ? c[i * c_row + j] : 0) + sum;
        }
}

/* C (m, n) = or += A (m, k) B (k, n), whose entries lie the given strides apart */
static void multiply(const library *numpys, long m, long n, long k, const real *a, const real *b,
                     real *c, long a_row, long a_column, long b_row, long b_column, long c_row,
                     int adds)
{
    int is_large = m >= FEW && (double) m * n * k > LARGE;
    if (numpys->multiply && is_large && (a_row == 1 || a_column == 1)
        && (b_row == 1 || b_column == 1)) {
        int a_turned = a_column != 1, b_turned = b_column != 1;
        long lda = a_turned ? a_column : a_row, ldb = b_turned ? b_column : b_row;
        long a_least = a_turned ? m : k, b_least = b_turned ? k : n;
        numpys->multiply(101, a_turned ? 112 : 111, b_turned ? 112 : 111, m, n, k, 1, a,
                         lda > a_least ? lda : a_least, b, ldb > b_least ? ldb : b_least, adds, c,
                         c_row > n ? c_row : n);
        return;
    }
    if (n == 1 && m > 1 && c_row == 1) { /* a column is a row of the product turned over */
        multiply(numpys, 1, m, k, b, a, c, 1, b_row, a_column, a_row, m, adds);
        return;
    }
    if (m < FEW || n == 1) {
        if (b_column == 1) multiply_rows(m, n, k, a, b, c, a_row, a_column, b_row, c_row, adds);
        else multiply_columns(m, n, k, a, b, c, a_row, a_column, b_row, b_column, c_row, adds);
        return;
    }
    real panel[DEPTH * 128 / sizeof(real)];
    long l = 0;
    do {
        long depth = k - l < DEPTH ? k - l : DEPTH;
        for (long j = 0; j < n; j += COLUMNS) {
            long width = n - j < COLUMNS ? n - j : COLUMNS;
            pack(depth, width, b + l * b_row + j * b_column, b_row, b_column, panel);
            multiply_panel(m, depth, a + l * a_column, a_row, a_column, panel, c + j, c_row, width,
                           adds || l);
        }
        l += DEPTH;
    } while (l < k);
}

/* the same, with B in panels too */
static void multiply_packed(const library *numpys, long m, long n, long k, const real *a,
                            const real *b, const real *packed, real *c, long a_row, long a_column,
                            long b_row, long b_column, long c_row, int adds)
{
    if (numpys->multiply && numpys->threads > 1 && (double) m * n * k > THREADED) {
        multiply(numpys, m, n, k, a, b, c, a_row, a_column, b_row, b_column, c_row, adds);
        return;
    }
    long j = 0, panel = COLUMNS * k;
    if (m < FEW) {
        for (; j + 8 * LANES <= n; j += 8 * LANES)
            for (long i = 0; i < m; i++)
                block_1_8(k, a + i * a_row, 0, a_column, packed + j * k, COLUMNS, panel,
                          c + i * c_row + j, 0, adds);
        for (; j + 4 * LANES <= n; j += 4 * LANES)
            for (long i = 0; i < m; i++)
                block_1_4(k, a + i * a_row, 0, a_column, packed + j * k, COLUMNS, panel,
                          c + i * c_row + j, 0, adds);
    }
    for (; j < n; j += COLUMNS) {
        long width = n - j < COLUMNS ? n - j : COLUMNS;
        multiply_panel(m, k, a, a_row, a_column, packed + j * k, c + j, c_row, width, adds);
    }
}
