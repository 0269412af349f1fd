/* The functions that a compiled derivation calls. REAL_IS_FLOAT chooses the type.

   exp is 2^n exp(r) with r in [-ln 2 / 2, ln 2 / 2], where exp(r) - 1 is a polynomial (Taylor's, to
   the last digit); tanh, expm1 and sigmoid follow from it. No branch, so that loops over them run on
   vectors. The errors are below 4 units of the last digit, at inf, nan and subnormal numbers too. */

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
