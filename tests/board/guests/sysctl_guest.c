// SYSCTL: the CPU's clock, clock gates, resets and what they leave behind; the watchdog.
// Expectations: Kendryte standalone SDK, sysctl.h, sysctl.c, wdt.c.

#include "check.h"
#include "chip.h"
#include "plic.h"
#include "sysctl.h"

#define RESET_PIN (1u << 1)
#define RESET_WDT0 (1u << 2)
#define RESET_SOFT (1u << 4)

#define CLK_EN_TIMER0 (1u << 21)

// CPU cycles that 1,000 clocks of timer 0, channel 0 take (it counts the crystal / 2).
static uint64_t cycles_per_thousand(void) {
    R32(TIMER(0), 0x08) = 0;
    R32(TIMER(0), 0x00) = 0xffffffff;
    R32(TIMER(0), 0x08) = 1 | 1 << 2;
    uint32_t from = R32(TIMER(0), 0x04);
    uint64_t start = read_csr(mcycle);
    while (from - R32(TIMER(0), 0x04) < 1000) {
    }
    uint64_t cycles = read_csr(mcycle) - start;
    R32(TIMER(0), 0x08) = 0;
    return cycles;
}

static void clocks(void) {
    check_range("390 MHz", cycles_per_thousand(), 29900, 30200);
    uint32_t select = sysctl->clk_sel[0];
    sysctl->clk_sel[0] = (select & ~6u) | 1u << 1;
    uint64_t slow = cycles_per_thousand();
    sysctl->clk_sel[0] = select & ~1u;
    uint64_t crystal = cycles_per_thousand();
    sysctl->clk_sel[0] = select;
    check_range("195 MHz", slow, 14900, 15200);
    check_range("26 MHz", crystal, 1950, 2150);
    sysctl->clk_th[2] = 1; // timer 0: / 4
    check_range("a timer at half its clock", cycles_per_thousand(), 59800, 60300);
    sysctl->clk_th[2] = 0;

    R32(TIMER(0), 0x00) = 0xffffffff;
    R32(TIMER(0), 0x08) = 1 | 1 << 2;
    sysctl->clk_en_peri &= ~CLK_EN_TIMER0;
    uint32_t before = R32(TIMER(0), 0x04);
    wait_us(10);
    check("a timer without clock stands still", R32(TIMER(0), 0x04), before);
    sysctl->clk_en_peri |= CLK_EN_TIMER0;
    wait_us(10);
    check("and goes on with it", R32(TIMER(0), 0x04) != before, 1);
    R32(TIMER(0), 0x08) = 0;
}

static void peripheral_reset(void) {
    R32(TIMER(0), 0x00) = 1234;
    sysctl->peri_reset = CLK_EN_TIMER0;
    wait_us(10);
    sysctl->peri_reset = 0;
    check("a peripheral's reset clears its registers", R32(TIMER(0), 0x00), 0);
}

static volatile unsigned barks;

static void bark(unsigned number) {
    if (number == IRQ_M_EXT) {
        uint32_t irq = plic_irq_claim();
        barks++;
        clear_csr(mie, MIP_MEIP);
        plic_irq_complete(irq);
    }
}

static void watchdog(void) {
    plic_init();
    plic_set_priority(IRQN_WDT0_INTERRUPT, 1);
    plic_irq_enable(IRQN_WDT0_INTERRUPT);
    on_interrupt = bark;
    set_csr(mie, MIP_MEIP);
    set_csr(mstatus, MSTATUS_MIE);
    R32(WDT(0), 0x04) = 0; // 65,536 clocks of 13 MHz: 5.04 ms
    R32(WDT(0), 0x00) = 2;
    R32(WDT(0), 0x0c) = 0x76;
    R32(WDT(0), 0x00) = 3;
    for (unsigned i = 0; i < 4; i++) {
        wait_us(4000);
        R32(WDT(0), 0x0c) = 0x76;
    }
    uint64_t start = read_csr(mcycle);
    check("a fed watchdog is silent", barks, 0);
    while (!barks) {
    }
    check_range("then it barks in time", (read_csr(mcycle) - start) / 390, 5000, 5100);
    check("its status says so", R32(WDT(0), 0x10), 1);
    printf("waiting for the bite\n");
    for (;;) {
    }
}

int main(void) {
    uint32_t cause = sysctl->reset_status;
    checks_begin();
    if (cause & RESET_WDT0) {
        check("reset status after the watchdog", cause, RESET_PIN | RESET_SOFT | RESET_WDT0);
        check("a reset stops the watchdog", R32(WDT(0), 0x00) & 1, 0);
        sysctl->reset_status = 1;
        check("the reset status can be cleared", sysctl->reset_status & 0x1e, 0);
        checks_done();
    } else if (cause & RESET_SOFT) {
        check("reset status after a soft reset", cause, RESET_PIN | RESET_SOFT);
        check("SRAM keeps its contents over a reset", R32(0x80500000, 0), 0x12345678);
        check("registers do not", R32(TIMER(0), 0x00), 0);
        watchdog();
    }
    check("reset status after power-on", cause, RESET_PIN);
    clocks();
    peripheral_reset();
    R32(0x80500000, 0) = 0x12345678;
    R32(TIMER(0), 0x00) = 4321;
    printf("soft reset\n");
    wait_us(100);
    sysctl->soft_reset = 1;
    for (;;) {
    }
}
