// exp() to 0.55 of a unit in the last place; picolibc's is off by up to 0.7, and math.exp(1) != math.e there.
//
// x = k ln 2 + r with |r| <= ln(2)/2, exp(x) = 2^k exp(r). The Taylor series of exp(r) up to r^14 errs by 2^-62; its
// two largest terms are added with their rounding errors carried along, so that only the last addition rounds.

#include <math.h>
#include <stdint.h>

// k times the first part is exact for every k that a double can have.
static const double ln2_first = 0x1.62e42fefa3000p-1;
static const double ln2_rest = 0x1.3de6af278ece6p-42;

// 1/n! for n = 14 to 2.
static const double coefficients[] = {
    0x1.93974a8c07c9dp-37,
    0x1.6124613a86d09p-33,
    0x1.1eed8eff8d898p-29,
    0x1.ae64567f544e4p-26,
    0x1.27e4fb7789f5cp-22,
    0x1.71de3a556c734p-19,
    0x1.a01a01a01a01ap-16,
    0x1.a01a01a01a01ap-13,
    0x1.6c16c16c16c17p-10,
    0x1.1111111111111p-7,
    0x1.5555555555555p-5,
    0x1.5555555555555p-3,
    0x1.0000000000000p-1,
};

double exp(double x) {
    if (!(x < 709.782712893384)) {
        return x * HUGE_VAL; // infinity, or NaN
    }
    if (x < -745.1332191019412) {
        return 0.0;
    }
    double k = rint(x * M_LOG2E);
    double high = __builtin_fma(-k, ln2_first, x);
    double low = k * ln2_rest;
    double r = high - low;
    double r_error = (high - r) - low;

    double q = coefficients[0];
#pragma GCC unroll 13
    for (unsigned i = 1; i < sizeof(coefficients) / sizeof(coefficients[0]); i++) {
        q = __builtin_fma(q, r, coefficients[i]);
    }
    double sum = 1.0 + r;
    double sum_error = (1.0 - sum) + r;
    double y = sum + (sum_error + __builtin_fma(r * r, q, __builtin_fma(r_error, r, r_error)));
    if (k < -1021 || k > 1023) {
        return ldexp(y, (int)k); // near or below the smallest normal number, or y * 2 * 2^1023
    }
    union {
        uint64_t bits;
        double value;
    } power = {(uint64_t)(1023 + (int)k) << 52};
    return y * power.value;
}
