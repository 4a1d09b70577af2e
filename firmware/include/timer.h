// TIMER0 to TIMER2: three blocks of four down-counters; the channels of a block share its clock.
// Registers: Kendryte standalone SDK, timer.h; the blocks are DesignWare APB timers (Linux,
// drivers/clocksource/dw_apb_timer.c; Cyclone V HPS manual, chapter "Timer").
#ifndef K210_TIMER_H
#define K210_TIMER_H

#include <stddef.h>
#include <stdint.h>

#include "platform.h"

typedef struct {
    uint32_t load_count; // 0x00, clocks a period, less one; PWM: clocks low, less one
    uint32_t current_value; // 0x04
    uint32_t control; // 0x08
    uint32_t eoi; // 0x0c, reading it clears the interrupt
    uint32_t intr_stat; // 0x10
} timer_channel_t;

typedef struct {
    timer_channel_t channel[4]; // 0x00
    uint32_t reserved0[20];
    uint32_t intr_stat; // 0xa0, a bit a channel
    uint32_t eoi; // 0xa4, for all channels
    uint32_t raw_intr_stat; // 0xa8
    uint32_t comp_version; // 0xac
    uint32_t load_count2[4]; // 0xb0, PWM: clocks high, less one
} kendryte_timer_t;

// control
#define TIMER_CR_ENABLE (0x00000001)
#define TIMER_CR_MODE_MASK (0x00000002)
#define TIMER_CR_FREE_MODE (0x00000000)
#define TIMER_CR_USER_MODE (0x00000002)
#define TIMER_CR_INTERRUPT_MASK (0x00000004)
#define TIMER_CR_PWM_ENABLE (0x00000008)

typedef enum {
    TIMER_DEVICE_0,
    TIMER_DEVICE_1,
    TIMER_DEVICE_2,
    TIMER_DEVICE_MAX,
} timer_device_number_t;

typedef enum {
    TIMER_CHANNEL_0,
    TIMER_CHANNEL_1,
    TIMER_CHANNEL_2,
    TIMER_CHANNEL_3,
    TIMER_CHANNEL_MAX,
} timer_channel_number_t;

extern volatile kendryte_timer_t *const timer[TIMER_DEVICE_MAX];

// What they return is not looked at.
typedef int (*timer_callback_t)(void *ctx);

// Clock on, all four channels stopped, callbacks forgotten.
void timer_init(timer_device_number_t timer_number);

// The clock of a block becomes its source (crystal or PLL0, see sysctl_clock_set_clock_select())
// divided by 2 * (div + 1); div is 0 to 255.
void timer_set_clock_div(timer_device_number_t timer_number, uint32_t div);

// Sets the period from the block's clock as it is now. Returns the nanoseconds that it really is, or 0 and changes
// nothing when it is under two clocks or over 2 to the power of 32. A running channel takes it at its next reload.
size_t timer_set_interval(timer_device_number_t timer_number, timer_channel_number_t channel, size_t nanoseconds);

// Starts a channel with a whole period, or stops it, which also clears its interrupt.
void timer_set_enable(timer_device_number_t timer_number, timer_channel_number_t channel, uint32_t enable);

// Calls `callback(ctx)` on the calling hart each time the channel's period ends. A single-shot channel is stopped
// before its callback, which may start it again. 0, or -1 when there is no such channel.
int timer_irq_register(timer_device_number_t device, timer_channel_number_t channel, int is_single_shot,
    uint32_t priority, timer_callback_t callback, void *ctx);
int timer_irq_unregister(timer_device_number_t device, timer_channel_number_t channel);

// The same for a function without argument; deprecated in the SDK.
void timer_set_irq(
    timer_device_number_t timer_number, timer_channel_number_t channel, void (*func)(), uint32_t priority);

#endif // K210_TIMER_H
