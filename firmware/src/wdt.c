#include "sysctl.h"
#include "wdt.h"

_Static_assert(offsetof(wdt_t, comp_type) == 0xfc, "comp_type");

volatile wdt_t *const wdt[WDT_DEVICE_MAX] = {
    (volatile wdt_t *)WDT0_BASE_ADDR,
    (volatile wdt_t *)WDT1_BASE_ADDR,
};

// The block counts the crystal's frequency / (2 * (threshold + 1)); threshold is 0 to 255.
#define BASE_HZ (SYSCTL_CLOCK_FREQ_IN0 / 2)

// Time-outs are powers of two: the divider makes up the rest. The shortest power that a divider reaches gives
// the finest steps.
static uint64_t fit(uint64_t base_clocks, unsigned *top, unsigned *threshold) {
    for (*top = 0; *top < 15 && base_clocks > UINT64_C(256) << (16 + *top); (*top)++) {
    }
    uint64_t divider = (base_clocks + (UINT64_C(1) << (16 + *top)) - 1) >> (16 + *top);
    divider = divider < 1 ? 1 : divider > 256 ? 256 : divider;
    *threshold = (unsigned)divider - 1;
    return divider << (16 + *top);
}

uint32_t wdt_init(wdt_device_number_t id, uint64_t time_out_ms, plic_irq_callback_t on_irq, void *ctx) {
    unsigned top, threshold;
    uint64_t ms = time_out_ms > WDT_MAX_MS ? WDT_MAX_MS : time_out_ms;
    uint64_t clocks = fit((ms * (BASE_HZ / 1000)), &top, &threshold);
    wdt_stop(id);
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_WDT0 + id, threshold);
    sysctl_clock_enable(SYSCTL_CLOCK_WDT0 + id);
    if (on_irq) {
        plic_irq_t irq = IRQN_WDT0_INTERRUPT + id;
        plic_set_priority(irq, 1);
        plic_irq_register(irq, on_irq, ctx);
        plic_irq_enable(irq);
    }
    wdt[id]->torr = WDT_TORR_TOP(top);
    wdt[id]->cr = on_irq ? WDT_CR_RMOD_INTERRUPT : WDT_CR_RMOD_RESET;
    wdt[id]->crr = WDT_CRR_MASK;
    wdt[id]->cr |= WDT_CR_ENABLE;
    return (uint32_t)(clocks / (BASE_HZ / 1000));
}

void wdt_start(wdt_device_number_t id, uint64_t time_out_ms, plic_irq_callback_t on_irq) {
    wdt_init(id, time_out_ms, on_irq, NULL);
}

void wdt_feed(wdt_device_number_t id) {
    wdt[id]->crr = WDT_CRR_MASK;
}

void wdt_stop(wdt_device_number_t id) {
    plic_irq_disable(IRQN_WDT0_INTERRUPT + id);
    plic_irq_unregister(IRQN_WDT0_INTERRUPT + id);
    sysctl_reset(SYSCTL_RESET_WDT0 + id);
}

void wdt_clear_interrupt(wdt_device_number_t id) {
    (void)wdt[id]->eoi;
}
