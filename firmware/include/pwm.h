// PWM: the twelve channels of TIMER0 to TIMER2 as outputs. Channel n of block b is the function
// FUNC_TIMERb_TOGGLE(n+1). Registers: see timer.h.
#ifndef K210_PWM_H
#define K210_PWM_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    PWM_DEVICE_0,
    PWM_DEVICE_1,
    PWM_DEVICE_2,
    PWM_DEVICE_MAX,
} pwm_device_number_t;

typedef enum {
    PWM_CHANNEL_0,
    PWM_CHANNEL_1,
    PWM_CHANNEL_2,
    PWM_CHANNEL_3,
    PWM_CHANNEL_MAX,
} pwm_channel_number_t;

// Clock on.
void pwm_init(pwm_device_number_t pwm_number);

// Starts the output with its low phase, or stops it, low.
void pwm_set_enable(pwm_device_number_t pwm_number, pwm_channel_number_t channel, int enable);

// Hertz, and the part of a period that the output is high, 0 to 1; the hardware gives each phase one clock at least.
// A running output changes over as its phases end. Returns the frequency that it really is, or 0, changing
// nothing, when it is over half the block's clock or under a 2^32nd of it.
double pwm_set_frequency(pwm_device_number_t pwm_number, pwm_channel_number_t channel, double frequency, double duty);

#endif // K210_PWM_H
