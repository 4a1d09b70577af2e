// Which channel of GPIOHS or GPIO a pad has; machine_pin.h tells how they come together. Channels 0 to 31 are GPIOHS's,
// 32 to 39 GPIO's.
#ifndef K210_PIN_CHANNELS_H
#define K210_PIN_CHANNELS_H

#include <stdbool.h>

// The function that the FPIOA has on a pad.
unsigned pin_function_of(unsigned pad);

// The channel of a pad; -1 when it is no pin.
int pin_channel_of(unsigned pad);

// The pad of a channel; -1 when it has none, or something else was put on that.
int pin_of_channel(unsigned channel);

// The channel of a pad, which becomes a pin, an input, if it is none. Raises OSError when none is left.
unsigned pin_need_channel(unsigned pad);

bool pin_channel_is_output(unsigned channel);
void pin_channel_set_level(unsigned channel, bool high);
void pin_channel_set_direction(unsigned channel, bool output);

// Ends its interrupts.
void pin_channel_silence(unsigned channel);

// A pad becomes an open-drain pin, which lets go of the line or pulls it down.
void pin_set_open_drain(unsigned pad, bool released);
bool pin_is_open_drain(unsigned pad);

// One of MP_HAL_PIN_PULL_*.
void pin_set_pull(unsigned pad, unsigned pull);

// What a pin was set to, whatever the pad shows.
bool pin_set_to(unsigned pad);

// At a soft reset: interrupts end, channels of this session may be taken by others.
void pin_channels_deinit(void);

#endif // K210_PIN_CHANNELS_H
