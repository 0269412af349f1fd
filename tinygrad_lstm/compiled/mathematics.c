/* The functions that a compiled derivation calls. REAL_IS_FLOAT chooses the type.

   exp is 2^n exp(r) with r in [-ln 2 / 2, ln 2 / 2], where exp(r) - 1 is a polynomial (Taylor's, to
   the last digit); tanh, expm1 and sigmoid follow from it. No branch, so that loops over them run on
   vectors. The errors are below 4 units of the last digit, at inf, nan and subnormal numbers too. */

#define MANY 128 /* columns of a row that no longer stays in registers */
#define LARGE 200000.0 /* multiplications of a product that a library does sooner */

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef REAL_IS_FLOAT
typedef float real;
typedef int32_t bits;
typedef uint32_t natural;
#define M(name) name##f
#define MANTISSA 23
#define BIAS 127
#define MAGIC 12582912.0f /* 1.5 2^23: what is added to it is rounded to a whole number */
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define LOG2E 1.44269504088896341f
#define EXP_MOST 89.0f
#define EXP_LEAST -104.0f
#define TANH_MOST 10.0f
#define TANH_LEAST 1e-4f
#else
typedef double real;
typedef int64_t bits;
typedef uint64_t natural;
#define M(name) name
#define MANTISSA 52
#define BIAS 1023
#define MAGIC 6755399441055744.0 /* 1.5 2^52 */
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
#define LOG2E 1.44269504088896338700
#define EXP_MOST 710.0
#define EXP_LEAST -746.0
#define TANH_MOST 22.0
#define TANH_LEAST 1e-8
#endif

static inline bits bits_of(real x)
{
    bits pattern;
    memcpy(&pattern, &x, sizeof pattern);
    return pattern;
}

/* the whole number in a number that MAGIC was added to; any number of nan, whose bits wrap around */
static inline natural whole_of(real shifted)
{
    return (natural) bits_of(shifted) - (natural) bits_of(MAGIC);
}

/* 2^n for a whole n of the normal range */
static inline real power_of_2(natural n)
{
    bits pattern = (bits) ((n + BIAS) << MANTISSA);
    real y;
    memcpy(&y, &pattern, sizeof y);
    return y;
}

/* exp(r) - 1 for |r| <= ln 2 / 2 */
static inline real small_expm1(real r)
{
#ifdef REAL_IS_FLOAT
    real p = 1.9841270e-4f;
    p = p * r + 1.3888889e-3f;
    p = p * r + 8.3333333e-3f;
    p = p * r + 4.1666668e-2f;
    p = p * r + 1.6666667e-1f;
    p = p * r + 0.5f;
#else
    real p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
#endif
    return p * r * r + r;
}

static inline real real_exp(real x)
{
    real z = x > EXP_MOST ? EXP_MOST : x;
    z = z < EXP_LEAST ? EXP_LEAST : z;
    real shifted = z * LOG2E + MAGIC, k = shifted - MAGIC;
    real r = (z - k * LN2_HIGH) - k * LN2_LOW;
    natural n = whole_of(shifted), half = ((n + 4 * BIAS + 4) >> 1) - (2 * BIAS + 2);
    return (1 + small_expm1(r)) * power_of_2(half) * power_of_2(n - half); /* 2^n may be subnormal */
}

static inline real real_tanh(real x)
{
    real z = x > TANH_MOST ? TANH_MOST : x;
    z = 2 * (z < -TANH_MOST ? -TANH_MOST : z);
    real shifted = z * LOG2E + MAGIC, k = shifted - MAGIC;
    real r = (z - k * LN2_HIGH) - k * LN2_LOW;
    real two = power_of_2(whole_of(shifted));
    real e = two * small_expm1(r) + (two - 1); /* exp(2 x) - 1 */
    real y = e / (e + 2);
    return M(fabs)(x) < TANH_LEAST ? x : y;
}

static inline real real_sigmoid(real x)
{
    real e = real_exp(x > 0 ? -x : x);
    real y = 1 / (1 + e);
    return x > 0 ? y : x == x ? e * y : x;
}

static inline real real_softplus(real x)
{
    return (x > 0 ? x : x == x ? 0 : x) + M(log1p)(real_exp(x > 0 ? -x : x));
}

static inline real real_relu(real x) { return x > 0 || x != x ? x : 0; }
static inline real real_sign(real x) { return x != x ? x : (real) ((x > 0) - (x < 0)); }
static inline real real_max(real a, real b) { return a > b || a != a ? a : b; }
static inline real real_min(real a, real b) { return a < b || a != a ? a : b; }
static inline real real_leaky_relu(real x, real slope)
{
    return x > 0 ? x : x != x ? x : slope * x;
}
static inline real real_logaddexp(real a, real b)
{
    real most = a > b ? a : b, least = a > b ? b : a;
    if (most == least) return most + (real) 0.69314718055994530942;
    return most != most || least != least ? a + b : most + M(log1p)(M(exp)(least - most));
}

/* x share, but 0 where the share is 0, whatever x is; by bits, as no arithmetic makes 0 of inf */
static inline real real_mask(real x, real share)
{
    bits pattern = bits_of(x * share) & -(bits) (share != 0);
    real y;
    memcpy(&y, &pattern, sizeof y);
    return y;
}
/* a mod b has the sign of b */
static inline real real_remainder(real a, real b)
{
    real rest = M(fmod)(a, b);
    if (rest == 0) return M(copysign)(rest, b);
    return rest < 0 != b < 0 ? rest + b : rest;
}
static inline real real_ratio(real a, real b) { return b == 0 ? 0 : a / b; }

/* --- products of matrices --------------------------------------------------------------------- */

typedef void gemm_function(int order, int a_turned, int b_turned, long m, long n, long k,
                           real alpha, const real *a, long lda, const real *b, long ldb, real beta,
                           real *c, long ldc);

#define LANES ((long) (32 / sizeof(real)))
typedef real lanes __attribute__((vector_size(32)));

static inline lanes load(const real *p)
{
    lanes x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline void store(real *p, lanes x) { memcpy(p, &x, sizeof x); }

/* C (rows, width lanes) += A (rows, k) B, with the sums in registers */
#define BLOCK(rows, width)                                                                         \
    static inline void block_##rows##_##width(long k, const real *a, long a_row, long a_column,     \
                                              const real *b, long b_row, real *c, long c_row)       \
    {                                                                                              \
        lanes sums[rows][width];                                                                   \
        for (int i = 0; i < rows; i++)                                                             \
            for (int j = 0; j < width; j++) sums[i][j] = load(c + i * c_row + j * LANES);          \
        for (long l = 0; l < k; l++) {                                                             \
            lanes row[width];                                                                      \
            for (int j = 0; j < width; j++) row[j] = load(b + l * b_row + j * LANES);              \
            for (int i = 0; i < rows; i++)                                                         \
                for (int j = 0; j < width; j++)                                                    \
                    sums[i][j] += a[i * a_row + l * a_column] * row[j];                            \
        }                                                                                          \
        for (int i = 0; i < rows; i++)                                                             \
            for (int j = 0; j < width; j++) store(c + i * c_row + j * LANES, sums[i][j]);          \
    }

BLOCK(4, 2)
BLOCK(4, 1)
BLOCK(1, 8)
BLOCK(1, 4)
BLOCK(1, 1)

/* c (n) += a (k) B (k, n) for many columns: four rows of B at a time, in the order of memory */
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

/* C (m, n) += A (m, k) B (k, n), by blocks; the entries of a row of B, and of C, lie together */
static void multiply_blocks(long m, long n, long k, const real *a, const real *b, real *c,
                            long a_row, long a_column, long b_row, long c_row)
{
    long i = 0;
    for (; i + 4 <= m; i += 4) {
        const real *ai = a + i * a_row;
        real *ci = c + i * c_row;
        long j = 0;
        for (; j + 2 * LANES <= n; j += 2 * LANES)
            block_4_2(k, ai, a_row, a_column, b + j, b_row, ci + j, c_row);
        for (; j + LANES <= n; j += LANES)
            block_4_1(k, ai, a_row, a_column, b + j, b_row, ci + j, c_row);
        for (long r = 0; r < 4 && j < n; r++)
            for (long l = 0; l < k; l++)
                for (long p = j; p < n; p++)
                    ci[r * c_row + p] += ai[r * a_row + l * a_column] * b[l * b_row + p];
    }
    for (; i < m; i++) {
        const real *ai = a + i * a_row;
        real *ci = c + i * c_row;
        long j = 0;
        if (n > MANY) {
            multiply_row(n, k, ai, b, ci, a_column, b_row);
            continue;
        }
        for (; j + 8 * LANES <= n; j += 8 * LANES)
            block_1_8(k, ai, a_row, a_column, b + j, b_row, ci + j, c_row);
        for (; j + 4 * LANES <= n; j += 4 * LANES)
            block_1_4(k, ai, a_row, a_column, b + j, b_row, ci + j, c_row);
        for (; j + LANES <= n; j += LANES)
            block_1_1(k, ai, a_row, a_column, b + j, b_row, ci + j, c_row);
        for (long l = 0; l < k && j < n; l++)
            for (long p = j; p < n; p++) ci[p] += ai[l * a_column] * b[l * b_row + p];
    }
}

/* C (m, n) = or += A (m, k) B (k, n), whose entries lie the given strides apart */
static void multiply(gemm_function *gemm, long m, long n, long k, const real *a, const real *b,
                     real *c, long a_row, long a_column, long b_row, long b_column, long c_row,
                     int adds)
{
    int is_large = m > 3 && (double) m * n * k > LARGE;
    if (gemm && is_large && (a_row == 1 || a_column == 1) && (b_row == 1 || b_column == 1)) {
        int a_turned = a_column != 1, b_turned = b_column != 1;
        long lda = a_turned ? a_column : a_row, ldb = b_turned ? b_column : b_row;
        long a_least = a_turned ? m : k, b_least = b_turned ? k : n;
        gemm(101, a_turned ? 112 : 111, b_turned ? 112 : 111, m, n, k, 1, a,
             lda > a_least ? lda : a_least, b, ldb > b_least ? ldb : b_least, adds, c,
             c_row > n ? c_row : n);
        return;
    }
    if (!adds)
        for (long i = 0; i < m; i++)
            for (long j = 0; j < n; j++) c[i * c_row + j] = 0;
    if (b_column == 1) {
        multiply_blocks(m, n, k, a, b, c, a_row, a_column, b_row, c_row);
        return;
    }
    for (long i = 0; i < m; i++) /* rows of A times columns of B */
        for (long j = 0; j < n; j++) {
            real sum = 0;
#pragma omp simd reduction(+ : sum)
            for (long l = 0; l < k; l++) sum += a[i * a_row + l * a_column] * b[l * b_row + j * b_column];
            c[i * c_row + j] += sum;
        }
}

/* the columns of B (k, n) as the rows of an array */
static void turn(long k, long n, const real *b, long b_row, long b_column, real *turned)
{
    for (long l = 0; l < k; l++)
        for (long j = 0; j < n; j++) turned[l * n + j] = b[l * b_row + j * b_column];
}
