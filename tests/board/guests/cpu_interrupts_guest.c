// Interrupts of a hart: delivery, priority, vectors, WFI, the timer, and both mstatus stacks.
// Expectations: RISC-V privileged specification 1.10, 3.1.6, 3.1.7, 3.1.9, 3.1.10, 3.2.3.

#include "check.h"
#include "clint.h"
#include "plic.h"

extern char vector_table[];
extern volatile uint64_t vectored_by;

static unsigned order[8], taken;

static void note_order(unsigned number) {
    if (taken < 8) {
        order[taken++] = number;
    }
    // Each is silenced at its source, so that the next one comes.
    if (number == IRQ_M_SOFT) {
        clint_ipi_clear(0);
    } else if (number == IRQ_M_TIMER) {
        clint_timer_set(0, ~0ul);
    } else {
        uint32_t irq = plic_irq_claim();
        clear_csr(mie, MIP_MEIP);
        plic_irq_complete(irq);
    }
}

// UARTHS with an empty transmit FIFO and a watermark above it asks all the time.
static void external_on(void) {
    REG32(0x38000008) = 1 | 1 << 16;
    REG32(0x38000010) = 1;
    plic_init();
    plic_set_priority(IRQN_UARTHS_INTERRUPT, 1);
    plic_irq_enable(IRQN_UARTHS_INTERRUPT);
}

static void external_off(void) {
    plic_irq_disable(IRQN_UARTHS_INTERRUPT);
    REG32(0x38000010) = 0;
}

static void priorities(void) {
    while (!(REG32(0x38000014) & 1)) {
    }
    external_on();
    clint_ipi_send(0);
    clint_timer_set(0, clint_get_time());
    check("all three pending", read_csr(mip), MIP_MSIP | MIP_MTIP | MIP_MEIP);
    write_csr(mie, MIP_MSIP | MIP_MTIP | MIP_MEIP);
    on_interrupt = note_order;
    set_csr(mstatus, MSTATUS_MIE);
    clear_csr(mstatus, MSTATUS_MIE);
    check("three taken", taken, 3);
    check("external first", order[0], IRQ_M_EXT);
    check("software second", order[1], IRQ_M_SOFT);
    check("timer third", order[2], IRQ_M_TIMER);
    external_off();
    check("MSIP and MTIP follow the CLINT", read_csr(mip) & (MIP_MSIP | MIP_MTIP), 0);
    write_csr(mie, 0);
    on_interrupt = NULL;
}

static void masks(void) {
    uint64_t before = trap_note[0].count;
    clint_ipi_send(0);
    set_csr(mstatus, MSTATUS_MIE);
    check("not without its bit in mie", trap_note[0].count - before, 0);
    set_csr(mie, MIP_MSIP);
    check("at once when mie allows it", trap_note[0].count - before, 1);
    check("mcause", trap_note[0].cause, CAUSE_INTERRUPT | IRQ_M_SOFT);
    check("mtval is 0", trap_note[0].tval, 0);
    clear_csr(mstatus, MSTATUS_MIE);
    set_csr(mie, MIP_MSIP);
    check("not while MIE is clear", trap_note[0].count - before, 1);
    write_csr(mip, 0);
    check("MSIP is not software's to clear in mip", read_csr(mip) & MIP_MSIP, MIP_MSIP);
    clint_ipi_clear(0);
    check("MSIP clear", read_csr(mip) & MIP_MSIP, 0);
    write_csr(mie, 0);
}

// In user mode machine interrupts are taken whatever MIE says.
extern char user_loop[];
__asm__(".section .text\nuser_loop: j user_loop\n");

static void user_mode(void) {
    uint64_t before = trap_note[0].count;
    clear_csr(mstatus, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP);
    set_csr(mie, MIP_MTIP);
    clint_timer_set(0, clint_get_time() + 20);
    write_csr(mepc, user_loop);

    __asm__ volatile("lla t0, 1f\n sd t0, (%0)\n mret\n1:" : : "r"(&trap_exit) : "t0", "memory");
    check("interrupt from user mode with MIE clear", trap_note[0].count - before, 1);
    check("mepc stands at the loop", trap_note[0].epc, (uintptr_t)user_loop);
    check("MPP says user", trap_note[0].status & MSTATUS_MPP, 0);
    clint_timer_set(0, ~0ul);
    write_csr(mie, 0);
}

static void wfi(void) {
    uint64_t traps = trap_note[0].count;
    // Pending and enabled in mie, MIE clear: goes on without a trap.
    write_csr(mie, MIP_MTIP);
    // The cycles are counted from before the time is read: setting the timer takes some.
    uint64_t cycles = read_csr(mcycle);
    clint_timer_set(0, clint_get_time() + 1000);
    uint64_t retired = read_csr(minstret);
    __asm__ volatile("wfi");
    cycles = read_csr(mcycle) - cycles;
    retired = read_csr(minstret) - retired;
    check("WFI wakes without a trap", trap_note[0].count - traps, 0);
    check_range("WFI waits for the timer", cycles, 1000 * 50 - 50, 1000 * 50 + 200);
    check_range("no instruction retires meanwhile", retired, 2, 20);
    // Already pending: no waiting.
    cycles = read_csr(mcycle);
    __asm__ volatile("wfi");
    check_range("WFI with something pending", read_csr(mcycle) - cycles, 1, 10);
    // With MIE set the trap returns behind the WFI.
    clint_timer_set(0, clint_get_time() + 100);
    uintptr_t at;
    set_csr(mstatus, MSTATUS_MIE);
    __asm__ volatile("lla %0, 1f\n wfi\n1: nop" : "=r"(at) : : "memory");
    clear_csr(mstatus, MSTATUS_MIE);
    check("WFI with MIE traps", trap_note[0].count - traps, 1);
    check("mepc is behind the WFI", trap_note[0].epc, at);
    clint_timer_set(0, ~0ul);
    write_csr(mie, 0);
}

static void timer(void) {
    clint_timer_set(0, clint_get_time() + 50);
    uint64_t at_first = read_csr(mip) & MIP_MTIP;
    while (!(read_csr(mip) & MIP_MTIP)) {
    }
    uint64_t late = clint_get_time() - clint->mtimecmp[0];
    check("MTIP not yet", at_first, 0);
    check_range("MTIP at its time", late, 0, 2);
    clint->mtimecmp[0] = ~0ul;
    check("MTIP falls with mtimecmp", read_csr(mip) & MIP_MTIP, 0);
    // Each half on its own, as 32-bit software writes it.
    volatile uint32_t *half = (volatile uint32_t *)&clint->mtimecmp[0];
    half[1] = 0;
    half[0] = 1;
    check("mtimecmp by halves", read_csr(mip) & MIP_MTIP, MIP_MTIP);
    half[1] = ~0u;
    check("mtimecmp upper half", read_csr(mip) & MIP_MTIP, 0);
}

static void vectors(void) {
    uint64_t direct = read_csr(mtvec);
    check("mtvec is what was written", direct & 3, 0);
    write_csr(mtvec, (uintptr_t)vector_table | 1);
    check("mtvec mode bit", read_csr(mtvec), (uintptr_t)vector_table | 1);
    clint_ipi_send(0);
    write_csr(mie, MIP_MSIP);
    set_csr(mstatus, MSTATUS_MIE);
    clear_csr(mstatus, MSTATUS_MIE);
    check("vectored software interrupt", vectored_by, IRQ_M_SOFT);
    vectored_by = 99;
    clint_timer_set(0, 0);
    write_csr(mie, MIP_MTIP);
    set_csr(mstatus, MSTATUS_MIE);
    clear_csr(mstatus, MSTATUS_MIE);
    check("vectored timer interrupt", vectored_by, IRQ_M_TIMER);
    vectored_by = 99;
    __asm__ volatile("ecall");
    check("exceptions go to the base", vectored_by, 0);
    write_csr(mtvec, direct);
    clint_timer_set(0, ~0ul);
    clint_ipi_clear(0);
    write_csr(mie, 0);
}

// The timer comes again and again while the main program computes; its sum must be right.
static volatile unsigned ticks;

static void tick(unsigned number) {
    (void)number;
    ticks++;
    clint_timer_set(0, clint_get_time() + 3);
}

static void under_fire(void) {
    on_interrupt = tick;
    write_csr(mie, MIP_MTIP);
    clint_timer_set(0, 0);
    set_csr(mstatus, MSTATUS_MIE);
    double sum = 0;
    uint64_t hash = 1;
    for (unsigned i = 1; i <= 5000; i++) {
        hash = hash * 6364136223846793005u + i;
        sum += (double)i;
    }
    clear_csr(mstatus, MSTATUS_MIE);
    write_csr(mie, 0);
    uint64_t again = 1;
    for (unsigned i = 1; i <= 5000; i++) {
        again = again * 6364136223846793005u + i;
    }
    check("integers survive interrupts", hash, again);
    check("floats survive interrupts", (uint64_t)sum, 5000ul * 5001 / 2);
    check_range("the timer interrupted", ticks, 20, 100000);
    on_interrupt = NULL;
}

int main(void) {
    checks_begin();
    priorities();
    masks();
    user_mode();
    wfi();
    timer();
    vectors();
    under_fire();
    checks_done();
}
