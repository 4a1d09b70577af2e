// The FPU's switch in mstatus, and a few results.
// Expectations: RISC-V privileged specification 1.10, 3.1.6.4; user specification 2.2, chapters F and D.

#include "check.h"

#define FS_OFF (0x0000ul)
#define FS_INITIAL (0x2000ul)
#define FS_CLEAN (0x4000ul)
#define FS_DIRTY (0x6000ul)
#define SD (UINT64_C(1) << 63)

static void set_fs(uint64_t fs) {
    clear_csr(mstatus, MSTATUS_FS);
    set_csr(mstatus, fs);
}

static uint64_t fs(void) {
    return read_csr(mstatus) & (MSTATUS_FS | SD);
}

static uint64_t bits(double value) {
    uint64_t raw;
    __asm__ volatile("fmv.x.d %0, %1" : "=r"(raw) : "f"(value));
    return raw;
}

int main(void) {
    checks_begin();
    set_fs(FS_OFF);
    uint64_t before = trap_note[0].count;
    uint64_t off = fs();
    check("FS off", off, FS_OFF);
    CHECK_TRAP("fadd.d while off", CAUSE_ILLEGAL_INSTRUCTION, ANY, "fadd.d ft0, ft0, ft0", );
    CHECK_TRAP("fmv.x.d while off", CAUSE_ILLEGAL_INSTRUCTION, ANY, "fmv.x.d t0, ft0", );
    CHECK_TRAP("fcvt.d.l while off", CAUSE_ILLEGAL_INSTRUCTION, ANY, "fcvt.d.l ft0, t0", );
    CHECK_TRAP("fcsr while off", CAUSE_ILLEGAL_INSTRUCTION, ANY, "csrr t0, fcsr", );
    check("four traps", trap_note[0].count - before, 4);

    set_fs(FS_INITIAL);
    check("FS initial", fs(), FS_INITIAL);
    uint64_t raw;
    __asm__ volatile("fmv.x.d %0, ft0" : "=r"(raw));
    set_fs(FS_CLEAN);
    __asm__ volatile("fmv.d.x ft0, %0" : : "r"(0x3ff8000000000000)); // 1.5
    check("writing a float register makes it dirty", fs(), FS_DIRTY | SD);
    set_fs(FS_CLEAN);
    check("software says clean", fs(), FS_CLEAN);
    __asm__ volatile("fmv.x.d %0, ft0" : "=r"(raw));
    check("the register has kept its value", raw, 0x3ff8000000000000);
    set_fs(FS_OFF);
    set_fs(FS_CLEAN);
    __asm__ volatile("fmv.x.d %0, ft0" : "=r"(raw));
    check("also over off and on", raw, 0x3ff8000000000000);

    set_fs(FS_INITIAL);
    write_csr(fcsr, 0);
    volatile double zero = 0, one = 1, three = 3;
    volatile double infinity = one / zero;
    uint64_t flags = read_csr(fcsr);
    check("1/0 raises DZ", flags, 8);
    check("1/0 is infinity", bits(infinity), 0x7ff0000000000000);
    write_csr(fflags, 0);
    volatile double third = one / three;
    check("1/3 is inexact", read_csr(fflags), 1);
    check("1/3", bits(third), 0x3fd5555555555555);
    write_csr(frm, 3); // up
    third = one / three;
    check("1/3 rounded up", bits(third), 0x3fd5555555555556);
    write_csr(frm, 0);
    volatile float f = 2.0f;
    float root;
    __asm__ volatile("fsqrt.s %0, %1" : "=f"(root) : "f"(f));
    check("square root of 2", (uint64_t)(root * 1000000), 1414213);
    int64_t rounded;
    volatile double big = 1e30;
    __asm__ volatile("fcvt.l.d %0, %1, rtz" : "=r"(rounded) : "f"(big));
    check("conversion saturates", rounded, INT64_MAX);
    double fused;
    __asm__ volatile("fmadd.d %0, %1, %1, %2" : "=f"(fused) : "f"(three), "f"(one));
    check("fused multiply-add", (uint64_t)fused, 10);
    checks_done();
}
