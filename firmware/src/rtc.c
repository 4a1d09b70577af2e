#include <stddef.h>
#include <string.h>

#include "bsp.h"
#include "rtc.h"
#include "sysctl.h"

_Static_assert(offsetof(rtc_t, extended) == 0x28, "extended");

typedef struct {
    plic_irq_callback_t callback;
    void *ctx;
    bool single_shot;
} client_t;

static client_t tick, alarm;
static rtc_tick_interrupt_mode_t tick_mode;
// The second that interrupted last.
static uint32_t handled_date, handled_time;

// Registers //////////////////////////////////////////////////////////////////////////////////////////////////////////

int rtc_timer_set_mode(rtc_timer_mode_t timer_mode) {
    uint32_t mode = timer_mode == RTC_TIMER_RUNNING ? RTC_READ_ENABLE
        : timer_mode == RTC_TIMER_SETTING           ? RTC_WRITE_ENABLE
                                                    : 0;
    // What was written before takes a clock of the crystal to arrive (SDK, rtc.c).
    uint32_t cycles = sysctl_clock_get_freq(SYSCTL_CLOCK_CPU) / SYSCTL_CLOCK_FREQ_IN0 + 1;
    for (uint64_t start = read_cycle(); read_cycle() - start < cycles;) {
    }
    rtc->register_ctrl = (rtc->register_ctrl & ~(RTC_READ_ENABLE | RTC_WRITE_ENABLE)) | mode;
    return (unsigned)timer_mode < RTC_TIMER_MAX ? 0 : -1;
}

rtc_timer_mode_t rtc_timer_get_mode(void) {
    switch (rtc->register_ctrl & (RTC_READ_ENABLE | RTC_WRITE_ENABLE)) {
        case RTC_READ_ENABLE:
            return RTC_TIMER_RUNNING;
        case RTC_WRITE_ENABLE:
            return RTC_TIMER_SETTING;
        default:
            return RTC_TIMER_PAUSE;
    }
}

static int put(volatile uint32_t *reg, uint32_t value) {
    uint64_t state = bsp_irq_save();
    rtc_timer_set_mode(RTC_TIMER_SETTING);
    *reg = value;
    rtc_timer_set_mode(RTC_TIMER_RUNNING);
    bsp_irq_restore(state);
    return 0;
}

int rtc_protect_set(int enable) {
    uint32_t value = rtc->register_ctrl & ~RTC_UNLOCK_ALL;
    rtc->register_ctrl = enable ? value : value | RTC_UNLOCK_ALL;
    return 0;
}

int rtc_init(void) {
    sysctl_reset(SYSCTL_RESET_RTC);
    sysctl_clock_enable(SYSCTL_CLOCK_RTC);
    rtc_protect_set(0);
    rtc_timer_set_clock_frequency(SYSCTL_CLOCK_FREQ_IN0);
    return rtc_timer_set_clock_count_value(1);
}

int rtc_timer_set_clock_frequency(unsigned int frequency) {
    return put(&rtc->initial_count, frequency);
}

unsigned int rtc_timer_get_clock_frequency(void) {
    return rtc->initial_count;
}

int rtc_timer_set_clock_count_value(unsigned int count) {
    return put(&rtc->current_count, count);
}

unsigned int rtc_timer_get_clock_count_value(void) {
    return rtc->current_count;
}

// Calendar ///////////////////////////////////////////////////////////////////////////////////////////////////////////

int rtc_year_is_leap(int year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int rtc_get_yday(int year, int month, int day) {
    static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return before[(month - 1) % 12] + day + (month > 2 && rtc_year_is_leap(year));
}

int rtc_get_wday(int year, int month, int day) {
    // Days since a Sunday, the last day of year 0; year 0 itself counts as year 400, whole weeks later.
    int before = year + 399;
    return (before * 365 + before / 4 - before / 100 + before / 400 + rtc_get_yday(year, month, day)) % 7;
}

static bool within(int value, int low, int high) {
    return value >= low && value <= high;
}

static bool is_valid(const struct tm *tm) {
    return tm && within(tm->tm_sec, 0, 59) && within(tm->tm_min, 0, 59) && within(tm->tm_hour, 0, 23)
        && within(tm->tm_mday, 1, 31) && within(tm->tm_mon, 0, 11) && within(tm->tm_year + 1900, 0, 3199)
        && within(tm->tm_wday, 0, 6);
}

static void pack(const struct tm *tm, uint32_t *date, uint32_t *time) {
    *date = RTC_DATE((tm->tm_year + 1900) % 100, tm->tm_mon + 1, tm->tm_mday, tm->tm_wday);
    *time = RTC_TIME(tm->tm_hour, tm->tm_min, tm->tm_sec);
}

static void unpack(uint32_t date, uint32_t time, uint32_t extended, struct tm *tm) {
    int year = RTC_DATE_YEAR(date) + 100 * RTC_EXTENDED_CENTURY(extended);
    *tm = (struct tm){
        .tm_sec = RTC_TIME_SECOND(time),
        .tm_min = RTC_TIME_MINUTE(time),
        .tm_hour = RTC_TIME_HOUR(time),
        .tm_mday = RTC_DATE_DAY(date),
        .tm_mon = RTC_DATE_MONTH(date) - 1,
        .tm_year = year - 1900,
        .tm_wday = RTC_DATE_WDAY(date),
        .tm_isdst = -1,
    };
    // The register may hold no date yet.
    if (within(tm->tm_mon, 0, 11)) {
        tm->tm_yday = rtc_get_yday(year, tm->tm_mon + 1, tm->tm_mday) - 1;
    }
}

int rtc_read(struct tm *tm, uint32_t *count) {
    if (rtc_timer_get_mode() != RTC_TIMER_RUNNING) {
        return -1;
    }
    uint32_t date, time, extended;
    do {
        time = rtc->time;
        date = rtc->date;
        extended = rtc->extended;
        *count = rtc->current_count;
    } while (time != rtc->time);
    unpack(date, time, extended, tm);
    return 0;
}

int rtc_timer_set_tm(const struct tm *tm) {
    if (!is_valid(tm)) {
        return -1;
    }
    uint32_t date, time;
    pack(tm, &date, &time);
    uint64_t state = bsp_irq_save();
    rtc_timer_set_mode(RTC_TIMER_SETTING);
    rtc->date = date;
    rtc->time = time;
    rtc->extended = (uint32_t)(tm->tm_year + 1900) / 100;
    rtc_timer_set_mode(RTC_TIMER_RUNNING);
    handled_date = handled_time = 0;
    bsp_irq_restore(state);
    return 0;
}

struct tm *rtc_timer_get_tm(void) {
    static struct tm tm;
    uint32_t count;
    return rtc_read(&tm, &count) == 0 ? &tm : NULL;
}

int rtc_alarm_set_tm(const struct tm *tm) {
    if (!is_valid(tm)) {
        return -1;
    }
    uint32_t date, time;
    pack(tm, &date, &time);
    put(&rtc->alarm_date, date);
    return put(&rtc->alarm_time, time);
}

struct tm *rtc_alarm_get_tm(void) {
    static struct tm tm;
    if (rtc_timer_get_mode() != RTC_TIMER_RUNNING) {
        return NULL;
    }
    unpack(rtc->alarm_date, rtc->alarm_time, rtc->extended, &tm);
    return &tm;
}

static int set(int (*set_tm)(const struct tm *), int year, int month, int day, int hour, int minute, int second) {
    if (!within(month, 1, 12) || !within(year, 0, 3199)) {
        return -1;
    }
    const struct tm tm = {
        .tm_sec = second,
        .tm_min = minute,
        .tm_hour = hour,
        .tm_mday = day,
        .tm_mon = month - 1,
        .tm_year = year - 1900,
        .tm_wday = rtc_get_wday(year, month, day),
    };
    return set_tm(&tm);
}

static int get(const struct tm *tm, int *year, int *month, int *day, int *hour, int *minute, int *second) {
    if (tm == NULL) {
        return -1;
    }
    int *const wanted[] = {year, month, day, hour, minute, second};
    const int fields[] = {tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec};
    for (unsigned i = 0; i < 6; i++) {
        if (wanted[i]) {
            *wanted[i] = fields[i];
        }
    }
    return 0;
}

int rtc_timer_set(int year, int month, int day, int hour, int minute, int second) {
    return set(rtc_timer_set_tm, year, month, day, hour, minute, second);
}

int rtc_timer_get(int *year, int *month, int *day, int *hour, int *minute, int *second) {
    return get(rtc_timer_get_tm(), year, month, day, hour, minute, second);
}

int rtc_alarm_set(int year, int month, int day, int hour, int minute, int second) {
    return set(rtc_alarm_set_tm, year, month, day, hour, minute, second);
}

int rtc_alarm_get(int *year, int *month, int *day, int *hour, int *minute, int *second) {
    return get(rtc_alarm_get_tm(), year, month, day, hour, minute, second);
}

// Interrupts /////////////////////////////////////////////////////////////////////////////////////////////////////////

static int change_interrupt(uint32_t mask, uint32_t bits) {
    return put(&rtc->interrupt_ctrl, (rtc->interrupt_ctrl & ~mask) | bits);
}

int rtc_tick_set_interrupt(int enable) {
    return change_interrupt(RTC_TICK_ENABLE, enable ? RTC_TICK_ENABLE : 0);
}

int rtc_tick_get_interrupt(void) {
    return (rtc->interrupt_ctrl & RTC_TICK_ENABLE) != 0;
}

int rtc_tick_set_interrupt_mode(rtc_tick_interrupt_mode_t mode) {
    return (unsigned)mode < RTC_INT_MAX ? change_interrupt(RTC_TICK_MODE_MASK, RTC_TICK_MODE(mode)) : -1;
}

rtc_tick_interrupt_mode_t rtc_tick_get_interrupt_mode(void) {
    return (rtc->interrupt_ctrl & RTC_TICK_MODE_MASK) >> 2;
}

int rtc_alarm_set_interrupt(int enable) {
    return change_interrupt(RTC_ALARM_ENABLE, enable ? RTC_ALARM_ENABLE : 0);
}

int rtc_alarm_get_interrupt(void) {
    return (rtc->interrupt_ctrl & RTC_ALARM_ENABLE) != 0;
}

int rtc_alarm_set_mask(rtc_mask_t mask) {
    uint8_t bits;
    memcpy(&bits, &mask, 1);
    return change_interrupt(RTC_ALARM_COMPARE_MASK, RTC_ALARM_COMPARE(bits));
}

rtc_mask_t rtc_alarm_get_mask(void) {
    uint8_t bits = rtc->interrupt_ctrl >> 24;
    rtc_mask_t mask;
    memcpy(&mask, &bits, 1);
    return mask;
}

static bool alarm_matches(uint32_t date, uint32_t time) {
    rtc_mask_t mask = rtc_alarm_get_mask();
    // Fields that are not compared count as equal.
    uint32_t compared_date = (mask.week ? RTC_DATE(0, 0, 0, 7) : 0) | (mask.day ? RTC_DATE(0, 0, 31, 0) : 0)
        | (mask.month ? RTC_DATE(0, 15, 0, 0) : 0) | (mask.year ? RTC_DATE(0xfff, 0, 0, 0) : 0);
    uint32_t compared_time = (mask.second ? RTC_TIME(0, 0, 63) : 0) | (mask.minute ? RTC_TIME(0, 63, 0) : 0)
        | (mask.hour ? RTC_TIME(31, 0, 0) : 0);
    return (compared_date | compared_time) && ((rtc->alarm_date ^ date) & compared_date) == 0
        && ((rtc->alarm_time ^ time) & compared_time) == 0;
}

static bool tick_is_due(uint32_t time) {
    static const uint32_t zero[RTC_INT_MAX] = {
        [RTC_INT_MINUTE] = RTC_TIME(0, 0, 63),
        [RTC_INT_HOUR] = RTC_TIME(0, 63, 63),
        [RTC_INT_DAY] = RTC_TIME(31, 63, 63),
    };
    return (time & zero[tick_mode]) == 0;
}

// An alarm needs the tick of every second too (SDK, rtc.c), so a tick of less often is sorted out in handle().
static void configure(void) {
    rtc_tick_interrupt_mode_t mode = alarm.callback ? RTC_INT_SECOND : tick_mode;
    change_interrupt(RTC_TICK_ENABLE | RTC_ALARM_ENABLE | RTC_TICK_MODE_MASK,
        (tick.callback || alarm.callback ? RTC_TICK_ENABLE : 0) | (alarm.callback ? RTC_ALARM_ENABLE : 0)
            | RTC_TICK_MODE(mode));
    if (!tick.callback && !alarm.callback) {
        plic_irq_disable(IRQN_RTC_INTERRUPT);
        plic_irq_unregister(IRQN_RTC_INTERRUPT);
    }
}

static void call(client_t *client) {
    client_t now = *client;
    if (now.single_shot) {
        client->callback = NULL;
        configure();
    }
    now.callback(now.ctx);
}

static int handle(void *ctx) {
    (void)ctx;
    uint32_t time = rtc->time, date = rtc->date;
    // Tick and alarm may both have asked for this second.
    if (date == handled_date && time == handled_time) {
        return 0;
    }
    handled_date = date;
    handled_time = time;
    bool is_alarm = alarm.callback && alarm_matches(date, time), is_tick = tick.callback && tick_is_due(time);
    if (is_alarm) {
        call(&alarm);
    }
    if (is_tick && tick.callback) {
        call(&tick);
    }
    return 0;
}

static int start(client_t *client, bool is_single_shot, plic_irq_callback_t callback, void *ctx, uint8_t priority) {
    *client = (client_t){callback, ctx, is_single_shot};
    plic_set_priority(IRQN_RTC_INTERRUPT, priority);
    plic_irq_register(IRQN_RTC_INTERRUPT, handle, NULL);
    configure();
    plic_irq_enable(IRQN_RTC_INTERRUPT);
    return 0;
}

int rtc_tick_irq_register(
    bool is_single_shot, rtc_tick_interrupt_mode_t mode, plic_irq_callback_t callback, void *ctx, uint8_t priority) {
    if ((unsigned)mode >= RTC_INT_MAX) {
        return -1;
    }
    plic_irq_disable(IRQN_RTC_INTERRUPT);
    tick_mode = mode;
    return start(&tick, is_single_shot, callback, ctx, priority);
}

void rtc_tick_irq_unregister(void) {
    tick.callback = NULL;
    configure();
}

int rtc_alarm_irq_register(
    bool is_single_shot, rtc_mask_t mask, plic_irq_callback_t callback, void *ctx, uint8_t priority) {
    plic_irq_disable(IRQN_RTC_INTERRUPT);
    rtc_alarm_set_mask(mask);
    return start(&alarm, is_single_shot, callback, ctx, priority);
}

void rtc_alarm_irq_unregister(void) {
    alarm.callback = NULL;
    configure();
}
