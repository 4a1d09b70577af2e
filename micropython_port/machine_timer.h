// The channels of TIMER0 to TIMER2, as Timer and PWM share them.
#ifndef K210_MACHINE_TIMER_H
#define K210_MACHINE_TIMER_H

#include "pwm.h"
#include "timer.h"

#define MACHINE_TIMER_CHANNELS (TIMER_DEVICE_MAX * TIMER_CHANNEL_MAX)

// Every block counts the crystal's frequency / 2, whatever the CPU does.
#define MACHINE_TIMER_HZ (13000000)

// Clock on, at that frequency.
void machine_timer_start_block(unsigned block);

// At a soft reset: stop all channels and forget who had them.
void machine_timer_deinit_all(void);
void machine_pwm_deinit_all(void);

#endif // K210_MACHINE_TIMER_H
