// CLINT's driver: alarms that share a hart's comparator, the SDK's interval timer, software interrupts.

#include "check.h"
#include "clint.h"
#include "core1.h"
#include "sysctl.h"
#include "trap.h"

static volatile unsigned order, calls[CLINT_ALARM_COUNT], ipis;
static volatile uint64_t at[CLINT_ALARM_COUNT];
static volatile unsigned repeats;

static int on_alarm(void *ctx) {
    unsigned which = (unsigned)(uintptr_t)ctx;
    at[which] = clint_get_time();
    order = order * 10 + which + 1;
    calls[which]++;
    return 0;
}

static int again(void *ctx) {
    (void)ctx;
    if (++repeats < 5) {
        clint_alarm_set(CLINT_ALARM_SYSTEM, clint_get_time() + 100);
    }
    return 0;
}

static void listen(void) {
    order = 0;
    for (unsigned i = 0; i < CLINT_ALARM_COUNT; i++) {
        clint_alarm_register(i, on_alarm, (void *)(uintptr_t)i);
        calls[i] = 0;
    }
}

static void ticks(uint64_t count) {
    for (uint64_t end = clint_get_time() + count; clint_get_time() < end;) {
    }
}

static void alarms(void) {
    listen();
    uint64_t start = clint_get_time() + 200;
    clint_alarm_set(CLINT_ALARM_SYSTEM, start + 1000);
    clint_alarm_set(CLINT_ALARM_WAIT, start + 2000);
    clint_alarm_set(CLINT_ALARM_INTERVAL, start + 500);
    ticks(4000);
    check("in the order of their times", order, 231);
    // The handler's own instructions are ticks too.
    check_range("the first in time", at[CLINT_ALARM_INTERVAL] - start, 500, 520);
    check_range("the second in time", at[CLINT_ALARM_SYSTEM] - start, 1000, 1020);
    check_range("the third in time", at[CLINT_ALARM_WAIT] - start, 2000, 2020);
    ticks(4000);
    check("each once", order, 231);

    listen();
    start = clint_get_time() + 1000;
    clint_alarm_set(CLINT_ALARM_SYSTEM, start);
    clint_alarm_set(CLINT_ALARM_WAIT, start);
    clint_alarm_set(CLINT_ALARM_INTERVAL, start - 500);
    clint_alarm_set(CLINT_ALARM_INTERVAL, CLINT_NEVER);
    ticks(3000);
    check("two at one time, one taken back", order == 13 || order == 31, true);

    listen();
    clint_alarm_set(CLINT_ALARM_SYSTEM, clint_get_time() + 100000);
    clint_alarm_set(CLINT_ALARM_SYSTEM, clint_get_time() + 100);
    ticks(300);
    check("the last setting counts", calls[CLINT_ALARM_SYSTEM], 1);
    clint_alarm_set(CLINT_ALARM_SYSTEM, 0);
    check("a time that has passed comes at once", calls[CLINT_ALARM_SYSTEM], 2);

    clint_alarm_register(CLINT_ALARM_SYSTEM, again, NULL);
    clint_alarm_set(CLINT_ALARM_SYSTEM, clint_get_time() + 100);
    ticks(2000);
    check("set anew by its own callback", repeats, 5);
    clint_alarm_register(CLINT_ALARM_SYSTEM, NULL, NULL);
    clint_alarm_set(CLINT_ALARM_SYSTEM, clint_get_time() + 10);
    ticks(100);
    check("without a callback nothing happens", repeats, 5);
}

static void interval(void) {
    calls[CLINT_ALARM_INTERVAL] = 0;
    check("an interval of nothing", (uint64_t)(int64_t)clint_timer_start(0, 0), (uint64_t)-1);
    clint_timer_register(on_alarm, (void *)CLINT_ALARM_INTERVAL);
    clint_timer_start(2, 0);
    bsp_sleep_us(21000);
    check("every 2 ms for 21 ms", calls[CLINT_ALARM_INTERVAL], 10);
    clint_timer_stop();
    bsp_sleep_us(10000);
    check("stopped", calls[CLINT_ALARM_INTERVAL], 10);
    clint_timer_start(1, 1);
    bsp_sleep_us(10000);
    check("once", calls[CLINT_ALARM_INTERVAL], 11);
    clint_timer_unregister();
}

static int on_ipi(void *ctx) {
    ipis += (unsigned)(uintptr_t)ctx;
    return 0;
}

static int send_to_0(void *ctx) {
    (void)ctx;
    return clint_ipi_send(0);
}

static void software_interrupts(void) {
    clint_ipi_init();
    clint_ipi_register(on_ipi, (void *)3);
    clint_ipi_send(0);
    check("none while disabled", ipis, 0);
    clint_ipi_enable();
    check("pending until enabled", ipis, 3);
    clint_ipi_send(0);
    check("to itself", ipis, 6);
    core1_start(send_to_0, NULL);
    core1_wait(100000, NULL);
    // One of the job's own, and core1.h's for its end; they may have met.
    check("from the other hart", ipis == 9 || ipis == 12, true);
    clint_ipi_unregister();
    check("to no hart", (uint64_t)(int64_t)clint_ipi_send(2), (uint64_t)-1);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    set_csr(mstatus, MSTATUS_MIE);
    alarms();
    interval();
    software_interrupts();
    checks_done();
}
