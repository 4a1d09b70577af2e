#include "pwm.h"
#include "sysctl.h"
#include "timer.h"

void pwm_init(pwm_device_number_t pwm_number) {
    sysctl_clock_enable(SYSCTL_CLOCK_TIMER0 + pwm_number);
}

void pwm_set_enable(pwm_device_number_t pwm_number, pwm_channel_number_t channel, int enable) {
    timer[pwm_number]->channel[channel].control = enable
        ? TIMER_CR_INTERRUPT_MASK | TIMER_CR_PWM_ENABLE | TIMER_CR_USER_MODE | TIMER_CR_ENABLE
        : TIMER_CR_INTERRUPT_MASK;
}

double pwm_set_frequency(pwm_device_number_t pwm_number, pwm_channel_number_t channel, double frequency, double duty) {
    uint32_t clock = sysctl_clock_get_freq(SYSCTL_CLOCK_TIMER0 + pwm_number);
    double exact = clock / frequency;
    if (!(exact >= 2 && exact <= UINT32_MAX)) {
        return 0;
    }
    uint64_t period = (uint64_t)(exact + 0.5),
             high = duty <= 0 ? 0
        : duty >= 1           ? period
                              : (uint64_t)(duty * period + 0.5);
    high = high < 1 ? 1 : high > period - 1 ? period - 1 : high;
    timer[pwm_number]->channel[channel].load_count = (uint32_t)(period - high - 1);
    timer[pwm_number]->load_count2[channel] = (uint32_t)(high - 1);
    return clock / (double)period;
}
