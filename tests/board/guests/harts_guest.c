// Two harts: atomics, LR/SC, interrupts from one to the other, waiting.
// Expectations: RISC-V user specification 2.2, chapter "A"; privileged specification 1.10.

#include "check.h"
#include "clint.h"
#include "plic.h"

#define ROUNDS (10000)

static volatile uint32_t stage; // hart 0 counts it up, hart 1 does as it says
static volatile uint32_t done; // the last stage that hart 1 has finished

static uint32_t lock;
static volatile uint64_t locked_count;
static uint64_t amo_count, lrsc_count;
static uint64_t cell;
static volatile uint64_t hart1_wakes, hart1_interrupts;

static void take(uint32_t *l) {
    uint32_t was;
    do {
        __asm__ volatile("amoswap.w.aq %0, %1, (%2)" : "=r"(was) : "r"(1), "r"(l) : "memory");
    } while (was);
}

static void give(uint32_t *l) {
    __asm__ volatile("amoswap.w.rl zero, zero, (%0)" : : "r"(l) : "memory");
}

static void count(void) {
    for (unsigned i = 0; i < ROUNDS; i++) {
        take(&lock);
        locked_count = locked_count + 1;
        give(&lock);
        __asm__ volatile("amoadd.d zero, %0, (%1)" : : "r"(1ul), "r"(&amo_count) : "memory");
        uint64_t t, failed;
        __asm__ volatile("1: lr.d %0, (%2)\n addi %0, %0, 1\n sc.d %1, %0, (%2)\n bnez %1, 1b"
            : "=&r"(t), "=&r"(failed)
            : "r"(&lrsc_count)
            : "memory");
    }
}

static int hart1_main(void *ctx) {
    (void)ctx;
    for (;;) {
        while (stage == done) {
        }
        switch (stage) {
            case 1:
                count();
                break;
            case 2:
                cell = 77;
                break;
            case 3: // WFI, MIE clear
                write_csr(mie, MIP_MSIP);
                __asm__ volatile("wfi");
                hart1_wakes = read_csr(mip) & MIP_MSIP ? 1 : 99;
                clint_ipi_clear(1);
                write_csr(mie, 0);
                break;
            case 4: // WFI, then the trap
                write_csr(mie, MIP_MSIP);
                set_csr(mstatus, MSTATUS_MIE);
                while (!hart1_interrupts) {
                    __asm__ volatile("wfi");
                }
                write_csr(mie, 0);
                break;
            case 5:
                clint_ipi_send(0);
                break;
            case 6: // its own timer
                clint_timer_set(1, clint_get_time() + 100);
                write_csr(mie, MIP_MTIP);
                clear_csr(mstatus, MSTATUS_MIE);
                __asm__ volatile("wfi");
                hart1_wakes = read_csr(mip) & MIP_MTIP;
                clint_timer_set(1, ~0ul);
                break;
            default:
                break;
        }
        __sync_synchronize();
        done = stage;
    }
    return 0;
}

static void start(unsigned number) {
    stage = number;
}

static void wait(void) {
    while (done != stage) {
    }
}

static void interrupted(unsigned number) {
    if (number == IRQ_M_SOFT) {
        unsigned hart = current_coreid();
        clint_ipi_clear(hart);
        if (hart == 1) {
            hart1_interrupts++;
        }
    }
}

static void amos(void) {
    uint64_t d = 10, old;
#define AMO(op, value, want_old, want_new)                                                                             \
    __asm__ volatile(op " %0, %1, (%2)" : "=r"(old) : "r"((uint64_t)(value)), "r"(&d) : "memory");                     \
    check(op " returns the old value", old, want_old);                                                                 \
    check(op " stores", d, want_new)
    AMO("amoadd.d", 5, 10, 15);
    AMO("amoswap.d", 0xf0, 15, 0xf0);
    AMO("amoand.d", 0x3c, 0xf0, 0x30);
    AMO("amoor.d", 3, 0x30, 0x33);
    AMO("amoxor.d", 0xff, 0x33, 0xcc);
    AMO("amomin.d", -1, 0xcc, ~0ul);
    AMO("amomax.d", 7, ~0ul, 7);
    AMO("amominu.d", -1, 7, 7);
    AMO("amomaxu.d", -1, 7, ~0ul);
    d = 0x80000000;
    AMO("amoadd.w", 0, 0xffffffff80000000, 0x80000000); // sign-extended
    AMO("amomin.w", 1, 0xffffffff80000000, 0x80000000);
    AMO("amomaxu.w", 1, 0xffffffff80000000, 0x80000000);
}

static void reservations(void) {
    uint64_t t, failed;
    cell = 5;
    __asm__ volatile("lr.d %0, (%2)\n sc.d %1, %0, (%2)" : "=&r"(t), "=&r"(failed) : "r"(&cell) : "memory");
    check("SC after LR succeeds", failed, 0);
    __asm__ volatile("sc.d %0, zero, (%1)" : "=&r"(failed) : "r"(&cell) : "memory");
    check("SC without LR fails", failed != 0, 1);
    check("and stores nothing", cell, 5);
    static uint64_t elsewhere;
    __asm__ volatile("lr.d %0, (%2)\n sc.d %1, zero, (%3)"
        : "=&r"(t), "=&r"(failed)
        : "r"(&cell), "r"(&elsewhere)
        : "memory");
    check("SC elsewhere fails", failed != 0, 1);
    // The other hart stores between LR and SC.
    __asm__ volatile("lr.d %0, (%1)" : "=r"(t) : "r"(&cell) : "memory");
    start(2);
    wait();
    __asm__ volatile("sc.d %0, zero, (%1)" : "=&r"(failed) : "r"(&cell) : "memory");
    check("SC fails when the other hart has stored", failed != 0, 1);
    check("whose value stays", cell, 77);
}

int main(void) {
    checks_begin();
    on_interrupt = interrupted;
    amos();
    register_core1(hart1_main, NULL);

    start(1);
    count();
    wait();
    check("a lock around a counter", locked_count, 2 * ROUNDS);
    check("amoadd from both harts", amo_count, 2 * ROUNDS);
    check("LR/SC from both harts", lrsc_count, 2 * ROUNDS);
    reservations();

    start(3);
    wait_us(100);
    check("hart 1 waits in WFI", done, 2);
    clint_ipi_send(1);
    wait();
    check("and is woken by an IPI", hart1_wakes, 1);
    start(4);
    wait_us(100);
    check("hart 1 waits for a trap", hart1_interrupts, 0);
    clint_ipi_send(1);
    wait();
    check("which comes once", hart1_interrupts, 1);
    check("mcause on hart 1", trap_note[1].cause, CAUSE_INTERRUPT | IRQ_M_SOFT);

    write_csr(mie, MIP_MSIP);
    uint64_t cycles = read_csr(mcycle);
    start(5);
    __asm__ volatile("wfi");
    cycles = read_csr(mcycle) - cycles;
    check("an IPI from hart 1 wakes hart 0", read_csr(mip) & MIP_MSIP, MIP_MSIP);
    check_range("soon", cycles, 1, 10000);
    clint_ipi_clear(0);
    wait();

    hart1_wakes = 0;
    start(6);
    wait();
    check("hart 1's own timer", hart1_wakes, MIP_MTIP);
    check("an IPI to oneself", (clint_ipi_send(0), read_csr(mip) & MIP_MSIP), MIP_MSIP);
    clint_ipi_clear(0);
    checks_done();
}
