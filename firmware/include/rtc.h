// RTC: calendar with tick and alarm interrupts, counting the crystal. It forgets the time without power.
// Registers: Kendryte standalone SDK, rtc.h and rtc.c.
#ifndef K210_RTC_H
#define K210_RTC_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "platform.h"
#include "plic.h"

typedef struct {
    uint32_t date; // 0x00
    uint32_t time; // 0x04
    uint32_t alarm_date; // 0x08, as date
    uint32_t alarm_time; // 0x0c, as time
    uint32_t initial_count; // 0x10, clocks in a second
    uint32_t current_count; // 0x14, clocks into this second, from 1
    uint32_t interrupt_ctrl; // 0x18
    uint32_t register_ctrl; // 0x1c
    uint32_t reserved[2];
    uint32_t extended; // 0x28
} rtc_t;

#define rtc ((volatile rtc_t *)RTC_BASE_ADDR)

#define RTC_DATE(century_year, month, day, wday)                                                                       \
    ((uint32_t)(wday) | (uint32_t)(day) << 8 | (uint32_t)(month) << 16 | (uint32_t)(century_year) << 20)
#define RTC_DATE_WDAY(date) ((int)((date) & 7)) // 0: Sunday
#define RTC_DATE_DAY(date) ((int)((date) >> 8 & 31))
#define RTC_DATE_MONTH(date) ((int)((date) >> 16 & 15))
#define RTC_DATE_YEAR(date) ((int)((date) >> 20)) // 0 to 99
#define RTC_TIME(hour, minute, second) ((uint32_t)(second) << 10 | (uint32_t)(minute) << 16 | (uint32_t)(hour) << 24)
#define RTC_TIME_SECOND(time) ((int)((time) >> 10 & 63))
#define RTC_TIME_MINUTE(time) ((int)((time) >> 16 & 63))
#define RTC_TIME_HOUR(time) ((int)((time) >> 24 & 31))
#define RTC_EXTENDED_CENTURY(extended) ((int)((extended) & 31))

#define RTC_TICK_ENABLE (1u << 0)
#define RTC_ALARM_ENABLE (1u << 1)
#define RTC_TICK_MODE(mode) ((uint32_t)(mode) << 2)
#define RTC_TICK_MODE_MASK (3u << 2)
#define RTC_ALARM_COMPARE(mask) ((uint32_t)(mask) << 24)
#define RTC_ALARM_COMPARE_MASK (0xffu << 24)

#define RTC_READ_ENABLE (1u << 0)
#define RTC_WRITE_ENABLE (1u << 1)
// A field can only be written while its bit here is set: time and date, alarm, initial_count, interrupt_ctrl.
#define RTC_UNLOCK_ALL (0xfeu << 13 | 0xfeu << 21 | 1u << 29 | 1u << 30)

typedef enum {
    RTC_TIMER_PAUSE,
    RTC_TIMER_RUNNING,
    RTC_TIMER_SETTING,
    RTC_TIMER_MAX,
} rtc_timer_mode_t;

typedef enum {
    RTC_INT_SECOND,
    RTC_INT_MINUTE,
    RTC_INT_HOUR,
    RTC_INT_DAY,
    RTC_INT_MAX,
} rtc_tick_interrupt_mode_t;

// Which fields an alarm compares.
typedef struct {
    uint8_t resv : 1;
    uint8_t second : 1;
    uint8_t minute : 1;
    uint8_t hour : 1;
    uint8_t week : 1;
    uint8_t day : 1;
    uint8_t month : 1;
    uint8_t year : 1;
} rtc_mask_t;

// Functions return 0, or -1 when an argument is out of range or the clock does not run, unless said otherwise.

// Resets the block and starts it at no particular date.
int rtc_init(void);

// With 1, locks all registers against writing (and unlocks with 0).
int rtc_protect_set(int enable);

// The calendar stands still but for RTC_TIMER_RUNNING.
int rtc_timer_set_mode(rtc_timer_mode_t timer_mode);
rtc_timer_mode_t rtc_timer_get_mode(void);

// Date and time; years 0 to 3199. NULL from the getters: the clock does not run. The struct is overwritten by the
// next call.
int rtc_timer_set_tm(const struct tm *tm);
struct tm *rtc_timer_get_tm(void);
int rtc_timer_set(int year, int month, int day, int hour, int minute, int second);
int rtc_timer_get(int *year, int *month, int *day, int *hour, int *minute, int *second);

// The alarm's; its year has no century of its own.
int rtc_alarm_set_tm(const struct tm *tm);
struct tm *rtc_alarm_get_tm(void);
int rtc_alarm_set(int year, int month, int day, int hour, int minute, int second);
int rtc_alarm_get(int *year, int *month, int *day, int *hour, int *minute, int *second);

// Clocks in a second, and into the current one (1 to that).
int rtc_timer_set_clock_frequency(unsigned int frequency);
unsigned int rtc_timer_get_clock_frequency(void);
int rtc_timer_set_clock_count_value(unsigned int count);
unsigned int rtc_timer_get_clock_count_value(void);

// The calendar and the clocks into its second, read at one instant. -1 when the clock does not run.
int rtc_read(struct tm *tm, uint32_t *count);

int rtc_year_is_leap(int year); // 1 or 0
int rtc_get_yday(int year, int month, int day); // 1 to 366
int rtc_get_wday(int year, int month, int day); // 0: Sunday

// The bits of the interrupt register, bare. The getters return the setting.
int rtc_tick_set_interrupt(int enable);
int rtc_tick_get_interrupt(void);
int rtc_tick_set_interrupt_mode(rtc_tick_interrupt_mode_t mode);
rtc_tick_interrupt_mode_t rtc_tick_get_interrupt_mode(void);
int rtc_alarm_set_interrupt(int enable);
int rtc_alarm_get_interrupt(void);
int rtc_alarm_set_mask(rtc_mask_t mask);
rtc_mask_t rtc_alarm_get_mask(void);

// Calls `callback(ctx)` on the calling hart when a second, minute, hour or day begins, or when the fields of `mask`
// come to equal the alarm's; once or again and again.
int rtc_tick_irq_register(
    bool is_single_shot, rtc_tick_interrupt_mode_t mode, plic_irq_callback_t callback, void *ctx, uint8_t priority);
void rtc_tick_irq_unregister(void);
int rtc_alarm_irq_register(
    bool is_single_shot, rtc_mask_t mask, plic_irq_callback_t callback, void *ctx, uint8_t priority);
void rtc_alarm_irq_unregister(void);

#endif // K210_RTC_H
