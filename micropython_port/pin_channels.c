// See pin_channels.h and, for what extmod asks for, machine_pin.h.

#include "py/mphal.h"
#include "py/runtime.h"

#include "gpio.h"
#include "gpiohs.h"
#include "machine_pin.h"
#include "pin_channels.h"
#include "plic.h"

// GPIOHS's channels first, then GPIO's, in the order of their functions.
#define CHANNELS (GPIOHS_NUM_PINS + GPIO_NUM_PINS)
_Static_assert(FUNC_GPIO0 == FUNC_GPIOHS0 + GPIOHS_NUM_PINS, "channels");

// The pad for which a channel was taken, one more; 0: none.
static uint8_t taken_by[CHANNELS];
// Pads that became pins since the last soft reset, and those that are open-drain.
static uint64_t in_use, open_drain;

unsigned pin_function_of(unsigned pad) {
    return fpioa->io[pad] & FPIOA_CH_SEL_MASK;
}

int pin_channel_of(unsigned pad) {
    unsigned channel = pin_function_of(pad) - FUNC_GPIOHS0;
    return channel < CHANNELS && taken_by[channel] == pad + 1 ? (int)channel : -1;
}

// Where a reset puts a channel: GPIO0 to 7 on pads 8 to 15, GPIOHS0 to 31 behind them.
static unsigned home_of(unsigned channel) {
    return channel < GPIOHS_NUM_PINS ? channel + 16 : channel - GPIOHS_NUM_PINS + 8;
}

bool pin_channel_is_output(unsigned channel) {
    return channel < GPIOHS_NUM_PINS ? gpiohs->output_en >> channel & 1
                                     : gpio->direction >> (channel - GPIOHS_NUM_PINS) & 1;
}

// `stale`: pins of an earlier session count as free.
static bool is_free(unsigned channel, bool stale) {
    int pad = fpioa_get_io_by_function(FUNC_GPIOHS0 + channel);
    if (pad < 0) {
        return true;
    }
    if (taken_by[channel] == pad + 1) {
        return stale && !(in_use >> pad & 1);
    }
    // A driver's, unless it is still as the reset left it.
    return (unsigned)pad == home_of(channel) && !pin_channel_is_output(channel);
}

static int find_channel(unsigned pad, unsigned count) {
    for (int stale = 0; stale < 2; stale++) {
        for (unsigned channel = 0; channel < count; channel++) {
            if (home_of(channel) == pad && is_free(channel, stale)) {
                return (int)channel;
            }
        }
        for (unsigned channel = 0; channel < count; channel++) {
            if (is_free(channel, stale)) {
                return (int)channel;
            }
        }
    }
    return -1;
}

static void put_bit(volatile uint32_t *reg, unsigned bit, bool on) {
    uint64_t state = bsp_irq_save();
    *reg = on ? *reg | 1u << bit : *reg & ~(1u << bit);
    bsp_irq_restore(state);
}

void pin_channel_set_level(unsigned channel, bool high) {
    if (channel < GPIOHS_NUM_PINS) {
        put_bit(&gpiohs->output_val, channel, high);
    } else {
        put_bit(&gpio->data_output, channel - GPIOHS_NUM_PINS, high);
    }
}

void pin_channel_set_direction(unsigned channel, bool output) {
    if (channel < GPIOHS_NUM_PINS) {
        put_bit(&gpiohs->output_en, channel, output);
    } else {
        put_bit(&gpio->direction, channel - GPIOHS_NUM_PINS, output);
    }
}

void pin_channel_silence(unsigned channel) {
    if (channel < GPIOHS_NUM_PINS) {
        gpiohs_set_pin_edge(channel, GPIO_PE_NONE);
        plic_irq_disable(IRQN_GPIOHS0_INTERRUPT + channel);
        plic_irq_unregister(IRQN_GPIOHS0_INTERRUPT + channel);
    }
}

// Routes one of the first `count` channels to the pad, as an input without pull; it is made so before the pad shows it.
static int take_channel(unsigned pad, unsigned count) {
    int channel = find_channel(pad, count);
    if (channel < 0) {
        return -1;
    }
    pin_channel_silence(channel);
    pin_channel_set_direction(channel, false);
    if (channel < GPIOHS_NUM_PINS) {
        put_bit(&gpiohs->output_xor, channel, false);
        put_bit(&gpiohs->input_en, channel, true);
    } else {
        gpio_init();
    }
    taken_by[channel] = pad + 1;
    fpioa_set_function(pad, FUNC_GPIOHS0 + channel);
    return channel;
}

static void set_open_drain_flag(unsigned pad, bool on) {
    uint64_t state = bsp_irq_save(), bit = UINT64_C(1) << pad;
    open_drain = on ? open_drain | bit : open_drain & ~bit;
    bsp_irq_restore(state);
}

// A hard handler may do the same meanwhile.
unsigned pin_need_channel(unsigned pad) {
    uint64_t state = bsp_irq_save();
    int channel = pin_channel_of(pad);
    if (channel < 0) {
        channel = take_channel(pad, CHANNELS);
        open_drain &= ~(UINT64_C(1) << pad);
    }
    if (channel >= 0) {
        in_use |= UINT64_C(1) << pad;
    }
    bsp_irq_restore(state);
    if (channel < 0) {
        mp_raise_msg_varg(
            &mp_type_OSError, MP_ERROR_TEXT("all %d GPIO channels are in use: none is left for pad %u"), CHANNELS, pad);
    }
    return channel;
}

bool pin_is_open_drain(unsigned pad) {
    return open_drain >> pad & 1;
}

bool pin_set_to(unsigned pad) {
    int channel = pin_channel_of(pad);
    if (channel < 0) {
        return false;
    }
    if (pin_is_open_drain(pad)) {
        return !pin_channel_is_output(channel);
    }
    return channel < GPIOHS_NUM_PINS ? gpiohs->output_val >> channel & 1
                                     : gpio->data_output >> (channel - GPIOHS_NUM_PINS) & 1;
}

int pin_of_channel(unsigned channel) {
    return taken_by[channel] && pin_channel_of(taken_by[channel] - 1) == (int)channel ? taken_by[channel] - 1 : -1;
}

unsigned machine_pin_need_gpiohs(mp_hal_pin_obj_t pin) {
    int channel = pin_channel_of(pin);
    if (channel < 0) {
        mp_hal_pin_input(pin);
        channel = pin_channel_of(pin);
    }
    if (channel >= GPIOHS_NUM_PINS) {
        bool output = pin_channel_is_output(channel), level = pin_set_to(pin), od = pin_is_open_drain(pin);
        int pull = fpioa_get_io_pull(pin);
        channel = find_channel(pin, GPIOHS_NUM_PINS);
        if (channel < 0) {
            mp_raise_msg_varg(&mp_type_OSError,
                MP_ERROR_TEXT("all %d channels of GPIOHS are in use: none is left for pad %u"), GPIOHS_NUM_PINS, pin);
        }
        pin_channel_set_level(channel, level && !od);
        take_channel(pin, GPIOHS_NUM_PINS);
        pin_channel_set_direction(channel, output);
        fpioa_set_io_pull(pin, pull);
    }
    return channel;
}

void pin_channels_deinit(void) {
    for (unsigned channel = 0; channel < GPIOHS_NUM_PINS; channel++) {
        if (taken_by[channel]) {
            pin_channel_silence(channel);
        }
    }
    in_use = 0;
}

// What extmod asks for ///////////////////////////////////////////////////////////////////////////////////////////////

void mp_hal_pin_input(mp_hal_pin_obj_t pin) {
    pin_channel_set_direction(pin_need_channel(pin), false);
    set_open_drain_flag(pin, false);
}

void mp_hal_pin_output(mp_hal_pin_obj_t pin) {
    pin_channel_set_direction(pin_need_channel(pin), true);
    set_open_drain_flag(pin, false);
}

void pin_set_open_drain(unsigned pad, bool released) {
    unsigned channel = pin_need_channel(pad);
    if (released) {
        pin_channel_set_direction(channel, false);
    }
    pin_channel_set_level(channel, false);
    pin_channel_set_direction(channel, !released);
    set_open_drain_flag(pad, true);
}

void mp_hal_pin_open_drain(mp_hal_pin_obj_t pin) {
    pin_set_open_drain(pin, true);
}

void pin_set_pull(unsigned pad, unsigned pull) {
    fpioa_set_io_pull(pad,
        pull == MP_HAL_PIN_PULL_UP         ? FPIOA_PULL_UP
            : pull == MP_HAL_PIN_PULL_DOWN ? FPIOA_PULL_DOWN
                                           : FPIOA_PULL_NONE);
}

void mp_hal_pin_config(mp_hal_pin_obj_t pin, unsigned mode, unsigned pull, unsigned function) {
    switch (mode) {
        case MP_HAL_PIN_MODE_INPUT:
            mp_hal_pin_input(pin);
            break;
        case MP_HAL_PIN_MODE_OUTPUT:
            mp_hal_pin_output(pin);
            break;
        case MP_HAL_PIN_MODE_OPEN_DRAIN:
            mp_hal_pin_open_drain(pin);
            break;
        default:
            fpioa_set_function(pin, function);
    }
    pin_set_pull(pin, pull);
}

int mp_hal_pin_read(mp_hal_pin_obj_t pin) {
    int channel = pin_channel_of(pin);
    if (channel < 0) {
        return fpioa->io[pin] >> 31;
    }
    return channel < GPIOHS_NUM_PINS ? gpiohs->input_val >> channel & 1
                                     : (unsigned)gpio_get_pin(channel - GPIOHS_NUM_PINS);
}

void mp_hal_pin_write(mp_hal_pin_obj_t pin, int value) {
    int channel = pin_channel_of(pin);
    if (channel >= 0) {
        pin_channel_set_level(channel, value);
    }
}

void mp_hal_pin_od_low(mp_hal_pin_obj_t pin) {
    int channel = pin_channel_of(pin);
    if (channel >= 0) {
        pin_channel_set_direction(channel, true);
    }
}

void mp_hal_pin_od_high(mp_hal_pin_obj_t pin) {
    int channel = pin_channel_of(pin);
    if (channel >= 0) {
        pin_channel_set_direction(channel, false);
    }
}
