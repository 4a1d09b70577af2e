// The driver of the real-time clock.

#include "bsp.h"
#include "check.h"
#include "plic.h"
#include "rtc.h"
#include "sysctl.h"
#include "trap.h"

static volatile unsigned ticks, alarms;
static volatile bool rang;

static int on_tick(void *ctx) {
    ticks += (unsigned)(uintptr_t)ctx;
    return 0;
}

static int on_alarm(void *ctx) {
    (void)ctx;
    alarms++;
    rang = true;
    return 0;
}

static uint64_t date_of(const struct tm *tm) {
    return tm ? (uint64_t)(tm->tm_year + 1900) * 10000 + (unsigned)(tm->tm_mon + 1) * 100 + (unsigned)tm->tm_mday : 0;
}

static uint64_t time_of(const struct tm *tm) {
    return tm ? (unsigned)tm->tm_hour * 10000 + (unsigned)tm->tm_min * 100 + (unsigned)tm->tm_sec : 0;
}

static void calendar(void) {
    struct tm tm;
    uint32_t count;
    rtc_init();
    check("runs", rtc_timer_get_mode(), RTC_TIMER_RUNNING);
    check("from the crystal", rtc_timer_get_clock_frequency(), 26000000);
    check("set", (uint64_t)rtc_timer_set(2024, 2, 28, 23, 59, 59), 0);
    check("the date that was set", date_of(rtc_timer_get_tm()), 20240228);
    check("and the time", time_of(rtc_timer_get_tm()), 235959);
    rtc_timer_set_clock_count_value(1);
    bsp_sleep_us(500000);
    rtc_read(&tm, &count);
    check_range("half a second in clocks", count, 13000000, 13000500);
    bsp_sleep_us(600000);
    check("the leap day", date_of(rtc_timer_get_tm()), 20240229);
    check("midnight", time_of(rtc_timer_get_tm()), 0);
    check("a Thursday", (uint64_t)rtc_timer_get_tm()->tm_wday, 4);
    check("day 60", (uint64_t)rtc_timer_get_tm()->tm_yday, 59);

    int year, second;
    rtc_timer_set(2099, 12, 31, 23, 59, 59);
    bsp_sleep_us(1000000);
    rtc_timer_get(&year, NULL, NULL, NULL, NULL, &second);
    check("a new century", (uint64_t)year, 2100);
    check("its first second", (uint64_t)second, 0);

    check("no month 13", (uint64_t)rtc_timer_set(2024, 13, 1, 0, 0, 0), (uint64_t)-1);
    check("no second 60", (uint64_t)rtc_timer_set(2024, 1, 1, 0, 0, 60), (uint64_t)-1);
    check("no year 3200", (uint64_t)rtc_timer_set(3200, 1, 1, 0, 0, 0), (uint64_t)-1);
    check("they changed nothing", (uint64_t)rtc_timer_get_tm()->tm_year, 200);
    rtc_timer_set_mode(RTC_TIMER_PAUSE);
    check("no time while it does not run", (uint64_t)rtc_timer_get_tm(), 0);
    rtc_timer_set_mode(RTC_TIMER_RUNNING);

    check("1900 was no leap year", (uint64_t)rtc_year_is_leap(1900), 0);
    check("2000 was", (uint64_t)rtc_year_is_leap(2000), 1);
    check("1 January 2000 was a Saturday", (uint64_t)rtc_get_wday(2000, 1, 1), 6);
    check("29 February 2000 a Tuesday", (uint64_t)rtc_get_wday(2000, 2, 29), 2);
    check("1 March 1900 a Thursday", (uint64_t)rtc_get_wday(1900, 3, 1), 4);
    check("31 December 2024 was day 366", (uint64_t)rtc_get_yday(2024, 12, 31), 366);

    rtc_timer_set(2025, 6, 1, 0, 0, 0);
    rtc_protect_set(1);
    rtc_timer_set(2026, 7, 2, 0, 0, 0);
    check("protected", date_of(rtc_timer_get_tm()), 20250601);
    rtc_protect_set(0);
}

static void interrupts(void) {
    rtc_timer_set(2025, 6, 1, 11, 59, 57);
    rtc_timer_set_clock_count_value(1);
    rtc_tick_irq_register(false, RTC_INT_SECOND, on_tick, (void *)1, 1);
    bsp_sleep_us(2100000);
    check("a tick a second", ticks, 2);
    rtc_tick_irq_register(false, RTC_INT_HOUR, on_tick, (void *)100, 1);
    rtc_alarm_set(2025, 6, 1, 12, 0, 2);
    int minute, second;
    rtc_alarm_get(NULL, NULL, NULL, NULL, &minute, &second);
    check("the alarm that was set", (unsigned)(minute * 100 + second), 2);
    rtc_alarm_irq_register(true, (rtc_mask_t){.second = 1, .minute = 1, .day = 1}, on_alarm, NULL, 1);
    rang = false;
    check("the alarm", bsp_wait(&rang, 5000000), true);
    check("at its time", time_of(rtc_timer_get_tm()), 120002);
    check("the hour's tick came meanwhile", ticks, 102);
    rtc_timer_set(2025, 6, 1, 12, 0, 1);
    bsp_sleep_us(2100000);
    check("a single shot", alarms, 1);

    rtc_alarm_irq_register(false, (rtc_mask_t){.second = 1}, on_alarm, NULL, 1);
    rtc_timer_set(2025, 6, 2, 1, 1, 1);
    bsp_sleep_us(1100000);
    rtc_timer_set(2025, 6, 2, 1, 2, 1);
    bsp_sleep_us(1100000);
    check("one that comes every minute", alarms, 3);
    rtc_alarm_irq_unregister();
    rtc_tick_irq_unregister();
    check("nothing asks any more", (unsigned)(rtc_tick_get_interrupt() | rtc_alarm_get_interrupt()), 0);
    rtc_timer_set(2025, 6, 2, 12, 59, 59);
    bsp_sleep_us(1100000);
    check("nobody is called any more", ticks * 10 + alarms, 1023);
}

int main(void) {
    checks_begin();
    plic_init();
    on_interrupt = trap_serve_interrupt;
    sysctl_enable_irq();
    set_csr(mstatus, MSTATUS_MIE);
    calendar();
    interrupts();
    checks_done();
}
