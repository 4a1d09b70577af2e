// mcycle, minstret and mtime, and how they relate.
// Expectations: RISC-V privileged specification 1.10, 3.1.15; mtime: Kendryte standalone SDK, clint.h.

#include "check.h"
#include "clint.h"

int main(void) {
    checks_begin();
    uint64_t a, b;
    __asm__ volatile("csrr %0, mcycle\n nop\n nop\n nop\n csrr %1, mcycle" : "=r"(a), "=r"(b));
    check_range("mcycle goes on", b - a, 4, 8);
    __asm__ volatile("csrr %0, minstret\n nop\n nop\n nop\n csrr %1, minstret" : "=r"(a), "=r"(b));
    check("minstret counts instructions", b - a, 4);
    __asm__ volatile("csrr %0, minstret\n .word 0\n csrr %1, minstret" : "=r"(a), "=r"(b));
    check_range("a trapping instruction is not retired", b - a, 50, 500);

    uint64_t cycles = read_csr(mcycle), time = clint_get_time();
    wait_us(1000);
    cycles = read_csr(mcycle) - cycles;
    time = clint_get_time() - time;
    check_range("mtime is mcycle / 50", cycles, time * 50 - 100, time * 50 + 100);
    check_range("a millisecond at 390 MHz", cycles, 390000, 390200);

    write_csr(mcycle, 1000);
    check_range("mcycle can be set", read_csr(mcycle), 1000, 1004);
    write_csr(minstret, UINT64_C(0x7fffffff00000000));
    check_range("minstret can be set", read_csr(minstret), UINT64_C(0x7fffffff00000000), UINT64_C(0x7fffffff00000002));
    write_csr(mcycle, ~UINT64_C(0));
    (void)read_csr(mcycle);
    check_range("mcycle wraps", read_csr(mcycle), 0, 4);
    write_csr(mcycle, 0x10000);
    check_range("cycle is mcycle", read_csr(cycle), 0x10000, 0x10004);
    write_csr(minstret, 0x10000);
    check_range("instret is minstret", read_csr(instret), 0x10000, 0x10004);

    // Loops that wait for a counter, in the shapes that compilers give them.
    uint64_t start = read_csr(mcycle);
    while (read_csr(mcycle) < start + 100000) {
    }
    check_range("waiting with mcycle <", read_csr(mcycle) - start, 100000, 100020);
    start = read_csr(mcycle);
    while ((read_csr(mcycle) - start) / 390 < 100) {
    }
    check_range("waiting with a division", read_csr(mcycle) - start, 39000, 39060);
    start = clint_get_time();
    while (clint_get_time() - start < 500) {
    }
    check_range("waiting with mtime", clint_get_time() - start, 500, 501);
    uint64_t rounds = 0;
    start = read_csr(mcycle);
    while (read_csr(mcycle) - start < 10000) {
        rounds++;
    }
    check_range("rounds of a waiting loop are counted", rounds, 10000 / 8, 10000 / 3);
    checks_done();
}
