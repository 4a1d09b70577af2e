// The driver of the watchdogs. The last one bites: the guest starts three times.

#include "bsp.h"
#include "check.h"
#include "sysctl.h"
#include "trap.h"
#include "wdt.h"

static volatile unsigned barks;

static int on_bark(void *ctx) {
    barks += (unsigned)(uintptr_t)ctx;
    wdt_clear_interrupt(WDT_DEVICE_1);
    return 0;
}

// Sleeps in steps, feeding.
static void feed_for(wdt_device_number_t id, unsigned steps, unsigned us) {
    for (unsigned i = 0; i < steps; i++) {
        bsp_sleep_us(us);
        wdt_feed(id);
    }
}

static void first_life(void) {
    check_range("100 ms within 1 % or 10 ms", wdt_init(WDT_DEVICE_0, 100, NULL, NULL), 100, 110);
    wdt_stop(WDT_DEVICE_0);
    check_range("5 s within 1 %", wdt_init(WDT_DEVICE_0, 5000, NULL, NULL), 5000, 5050);
    wdt_stop(WDT_DEVICE_0);
    check_range("the longest", wdt_init(WDT_DEVICE_0, UINT64_MAX, NULL, NULL), WDT_MAX_MS - 1000, WDT_MAX_MS + 1000);
    wdt_stop(WDT_DEVICE_0);
    bsp_sleep_us(200000);
    check("stopped", true, true);

    uint32_t ms = wdt_init(WDT_DEVICE_1, 50, on_bark, (void *)7);
    feed_for(WDT_DEVICE_1, 10, 1000 * ms / 2);
    check("no interrupt while it is fed", barks, 0);
    bsp_sleep_us(1000 * ms + 1000 - 1000 * ms / 2);
    bsp_sleep_us(1000 * ms / 2);
    check("an interrupt when it is not", barks, 7);
    bsp_sleep_us(1000 * ms);
    check("another, and no reset when that is cleared", barks, 14);
    wdt_stop(WDT_DEVICE_1);
    bsp_sleep_us(3000 * ms);
    check("none when it is stopped", barks, 14);

    printf("unfed interrupt\n");
    wdt_init(WDT_DEVICE_1, 20, on_bark, NULL);
    plic_irq_disable(IRQN_WDT1_INTERRUPT);
    feed_for(WDT_DEVICE_1, 10, 10000);
    bsp_sleep_us(1000000);
    check("a reset", false, true);
}

static void second_life(void) {
    uint32_t ms = wdt_init(WDT_DEVICE_0, 30, NULL, NULL);
    feed_for(WDT_DEVICE_0, 10, 1000 * ms - 1000);
    printf("fed\n");
    bsp_sleep_us(1000 * ms - 1000);
    printf("soon\n");
    bsp_sleep_us(1000000);
    check("a reset", false, true);
}

int main(void) {
    checks_begin();
    plic_init();
    on_interrupt = trap_serve_interrupt;
    sysctl_enable_irq();
    set_csr(mstatus, MSTATUS_MIE);
    switch (sysctl_get_reset_status()) {
        case SYSCTL_RESET_STATUS_HARD:
            first_life();
            break;
        case SYSCTL_RESET_STATUS_WDT1:
            printf("bitten by 1\n");
            second_life();
            break;
        default:
            check("bitten by 0", sysctl_get_reset_status(), SYSCTL_RESET_STATUS_WDT0);
    }
    checks_done();
}
