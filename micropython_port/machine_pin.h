// Pins: pads by number, and the functions by which extmod drives them.
//
// A pad becomes a pin when it is given a mode: its channel after a reset (GPIO0 to 7 on pads 8 to 15,
// GPIOHS0 to 31 behind them) is routed to it, or another free one. The FPIOA itself records that: when
// another function is put on the pad later, the channel is free again.
#ifndef K210_MACHINE_PIN_H
#define K210_MACHINE_PIN_H

#include <stdbool.h>

#include "py/obj.h"

#include "fpioa.h"

typedef struct {
    mp_obj_base_t base;
    uint8_t pad;
} machine_pin_obj_t;

extern const mp_obj_type_t machine_pin_type;
extern const machine_pin_obj_t machine_pin_obj_table[FPIOA_NUM_IO];

// Pin.irq, of machine_pin_irq.c.
MP_DECLARE_CONST_FUN_OBJ_KW(machine_pin_irq_fun_obj);

// Gives up all interrupts, at a soft reset; levels and directions stay.
void machine_pin_deinit_all(void);

#define MP_HAL_PIN_FMT "%u"
#define mp_hal_pin_obj_t unsigned

#define MP_HAL_PIN_MODE_INPUT (0)
#define MP_HAL_PIN_MODE_OUTPUT (1)
#define MP_HAL_PIN_MODE_OPEN_DRAIN (2)
#define MP_HAL_PIN_MODE_ALT (3)
#define MP_HAL_PIN_PULL_NONE (0)
#define MP_HAL_PIN_PULL_UP (1)
#define MP_HAL_PIN_PULL_DOWN (2)

// The pad of a Pin, a number or a name. Raises ValueError or TypeError.
mp_hal_pin_obj_t mp_hal_get_pin_obj(mp_obj_t pin);

static inline unsigned mp_hal_pin_name(mp_hal_pin_obj_t pin) {
    return pin;
}

// They raise OSError(ENODEV) with a message when no channel is left.
void mp_hal_pin_input(mp_hal_pin_obj_t pin);
void mp_hal_pin_output(mp_hal_pin_obj_t pin);
void mp_hal_pin_open_drain(mp_hal_pin_obj_t pin);
void mp_hal_pin_config(mp_hal_pin_obj_t pin, unsigned mode, unsigned pull, unsigned function);

// The level on the pad.
int mp_hal_pin_read(mp_hal_pin_obj_t pin);

// For outputs; without effect on a pad that is no pin.
void mp_hal_pin_write(mp_hal_pin_obj_t pin, int value);

static inline void mp_hal_pin_low(mp_hal_pin_obj_t pin) {
    mp_hal_pin_write(pin, 0);
}

static inline void mp_hal_pin_high(mp_hal_pin_obj_t pin) {
    mp_hal_pin_write(pin, 1);
}

// For open-drain pins.
void mp_hal_pin_od_low(mp_hal_pin_obj_t pin);
void mp_hal_pin_od_high(mp_hal_pin_obj_t pin);

// The GPIOHS channel (0 to 31) of a pin, for what GPIO cannot do: interrupts of its own, fast edges. A pin with a
// channel of GPIO changes over, a pad that is no pin becomes an input. Raises OSError when none is left.
unsigned machine_pin_need_gpiohs(mp_hal_pin_obj_t pin);

#endif // K210_MACHINE_PIN_H
