// Class machine.Pin; see machine_pin.h for how pads and channels come together.

#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/objstr.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"
#include "extmod/virtpin.h"
#include "shared/runtime/mpirq.h"

#include "gpio.h"
#include "gpiohs.h"
#include "machine_pin.h"
#include "machine_pin_board.h"
#include "plic.h"

// GPIOHS's channels first, then GPIO's, in the order of their functions.
#define CHANNELS (GPIOHS_NUM_PINS + GPIO_NUM_PINS)
_Static_assert(FUNC_GPIO0 == FUNC_GPIOHS0 + GPIOHS_NUM_PINS, "channels");

#define IRQ_ALL (GPIO_PE_FALLING | GPIO_PE_RISING | GPIO_PE_LOW | GPIO_PE_HIGH)
#define IRQ_LEVELS (GPIO_PE_LOW | GPIO_PE_HIGH)

#define P(n) {{&machine_pin_type}, (n)}
#define P8(n) P(n), P((n) + 1), P((n) + 2), P((n) + 3), P((n) + 4), P((n) + 5), P((n) + 6), P((n) + 7)
const machine_pin_obj_t machine_pin_obj_table[FPIOA_NUM_IO] = {P8(0), P8(8), P8(16), P8(24), P8(32), P8(40)};

typedef struct {
    mp_irq_obj_t base;
    mp_sched_node_t node;
    uint8_t pad, flags, trigger;
} pin_irq_obj_t;

// The pad for which a channel was taken, one more; 0: none.
static uint8_t taken_by[CHANNELS];
// Pads that became pins since the last soft reset, and those that are open-drain.
static uint64_t in_use, open_drain;

// Channels ///////////////////////////////////////////////////////////////////////////////////////////////////////////

static unsigned function_of(unsigned pad) {
    return fpioa->io[pad] & FPIOA_CH_SEL_MASK;
}

// -1 when the pad is no pin.
static int channel_of(unsigned pad) {
    unsigned channel = function_of(pad) - FUNC_GPIOHS0;
    return channel < CHANNELS && taken_by[channel] == pad + 1 ? (int)channel : -1;
}

// Where a reset puts a channel: GPIO0 to 7 on pads 8 to 15, GPIOHS0 to 31 behind them.
static unsigned home_of(unsigned channel) {
    return channel < GPIOHS_NUM_PINS ? channel + 16 : channel - GPIOHS_NUM_PINS + 8;
}

static bool is_output(unsigned channel) {
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
    return (unsigned)pad == home_of(channel) && !is_output(channel);
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

static void set_level(unsigned channel, bool high) {
    if (channel < GPIOHS_NUM_PINS) {
        put_bit(&gpiohs->output_val, channel, high);
    } else {
        put_bit(&gpio->data_output, channel - GPIOHS_NUM_PINS, high);
    }
}

static void set_direction(unsigned channel, bool output) {
    if (channel < GPIOHS_NUM_PINS) {
        put_bit(&gpiohs->output_en, channel, output);
    } else {
        put_bit(&gpio->direction, channel - GPIOHS_NUM_PINS, output);
    }
}

static void silence(unsigned channel) {
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
    silence(channel);
    set_direction(channel, false);
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

// The channel of a pad, which becomes a pin if it is none. A hard handler may do the same meanwhile.
static unsigned need_channel(unsigned pad) {
    uint64_t state = bsp_irq_save();
    int channel = channel_of(pad);
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

// What extmod asks for ///////////////////////////////////////////////////////////////////////////////////////////////

void mp_hal_pin_input(mp_hal_pin_obj_t pin) {
    set_direction(need_channel(pin), false);
    set_open_drain_flag(pin, false);
}

void mp_hal_pin_output(mp_hal_pin_obj_t pin) {
    set_direction(need_channel(pin), true);
    set_open_drain_flag(pin, false);
}

static void set_open_drain(unsigned pad, bool released) {
    unsigned channel = need_channel(pad);
    if (released) {
        set_direction(channel, false);
    }
    set_level(channel, false);
    set_direction(channel, !released);
    set_open_drain_flag(pad, true);
}

void mp_hal_pin_open_drain(mp_hal_pin_obj_t pin) {
    set_open_drain(pin, true);
}

static void set_pull(unsigned pad, unsigned pull) {
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
    set_pull(pin, pull);
}

int mp_hal_pin_read(mp_hal_pin_obj_t pin) {
    int channel = channel_of(pin);
    if (channel < 0) {
        return fpioa->io[pin] >> 31;
    }
    return channel < GPIOHS_NUM_PINS ? gpiohs->input_val >> channel & 1
                                     : (unsigned)gpio_get_pin(channel - GPIOHS_NUM_PINS);
}

void mp_hal_pin_write(mp_hal_pin_obj_t pin, int value) {
    int channel = channel_of(pin);
    if (channel >= 0) {
        set_level(channel, value);
    }
}

void mp_hal_pin_od_low(mp_hal_pin_obj_t pin) {
    int channel = channel_of(pin);
    if (channel >= 0) {
        set_direction(channel, true);
    }
}

void mp_hal_pin_od_high(mp_hal_pin_obj_t pin) {
    int channel = channel_of(pin);
    if (channel >= 0) {
        set_direction(channel, false);
    }
}

// Names //////////////////////////////////////////////////////////////////////////////////////////////////////////////

static const mp_rom_map_elem_t board_pins_table[] = {MACHINE_PIN_BOARD_PINS};
static MP_DEFINE_CONST_DICT(board_pins_dict, board_pins_table);
static MP_DEFINE_CONST_OBJ_TYPE(board_pins_type, MP_QSTR_board, MP_TYPE_FLAG_NONE, locals_dict, &board_pins_dict);

static const machine_pin_obj_t *find_by_name(mp_obj_t name) {
    mp_map_elem_t *found = mp_map_lookup((mp_map_t *)&board_pins_dict.map, name, MP_MAP_LOOKUP);
    if (found) {
        return MP_OBJ_TO_PTR(found->value);
    }
    const char *text = mp_obj_str_get_str(name);
    // "IO12", as the data sheet calls the pads.
    unsigned pad = 0;
    size_t digits = 0;
    if (text[0] == 'I' && text[1] == 'O') {
        for (const char *c = text + 2; *c >= '0' && *c <= '9' && digits < 3; c++, digits++) {
            pad = 10 * pad + *c - '0';
        }
    }
    if (!digits || text[2 + digits] || pad >= FPIOA_NUM_IO) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no pin \"%s\" on this board"), text);
    }
    return &machine_pin_obj_table[pad];
}

static const machine_pin_obj_t *find(mp_obj_t pin) {
    if (mp_obj_is_type(pin, &machine_pin_type)) {
        return MP_OBJ_TO_PTR(pin);
    }
    if (mp_obj_is_str(pin)) {
        return find_by_name(pin);
    }
    mp_int_t pad = mp_obj_get_int(pin);
    if (pad < 0 || pad >= FPIOA_NUM_IO) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("pad %d is not between 0 and %d"), (int)pad, FPIOA_NUM_IO - 1);
    }
    return &machine_pin_obj_table[pad];
}

mp_hal_pin_obj_t mp_hal_get_pin_obj(mp_obj_t pin) {
    return find(pin)->pad;
}

// The class //////////////////////////////////////////////////////////////////////////////////////////////////////////

static bool is_open_drain(unsigned pad) {
    return open_drain >> pad & 1;
}

static void pin_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    const machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    int channel = channel_of(self->pad), pull = fpioa_get_io_pull(self->pad);
    qstr mode = channel < 0        ? MP_QSTR_ALT
        : is_open_drain(self->pad) ? MP_QSTR_OPEN_DRAIN
        : is_output(channel)       ? MP_QSTR_OUT
                                   : MP_QSTR_IN;
    mp_printf(print, "Pin(%u, mode=%q", self->pad, mode);
    if (pull != FPIOA_PULL_NONE) {
        mp_printf(print, ", pull=%q", pull == FPIOA_PULL_UP ? MP_QSTR_PULL_UP : MP_QSTR_PULL_DOWN);
    }
    if (channel < 0) {
        mp_printf(print, ", alt=%u", function_of(self->pad));
    }
    mp_print_str(print, ")");
}

static void set_value(const machine_pin_obj_t *self, bool value) {
    int channel = channel_of(self->pad);
    if (channel < 0) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("Pin(%u) has no mode IN, OUT or OPEN_DRAIN"), self->pad);
    }
    if (is_open_drain(self->pad)) {
        set_direction(channel, !value);
    } else {
        set_level(channel, value);
    }
}

static void set_mode(unsigned pad, mp_int_t mode, mp_obj_t value, mp_int_t alt) {
    bool level = value == mp_const_none || mp_obj_is_true(value);
    switch (mode) {
        case MP_HAL_PIN_MODE_INPUT:
            mp_hal_pin_input(pad);
            if (value != mp_const_none) {
                mp_hal_pin_write(pad, level);
            }
            break;
        case MP_HAL_PIN_MODE_OUTPUT:
            // The level before the direction: no glitch.
            need_channel(pad);
            if (value != mp_const_none) {
                mp_hal_pin_write(pad, level);
            }
            mp_hal_pin_output(pad);
            break;
        case MP_HAL_PIN_MODE_OPEN_DRAIN:
            set_open_drain(pad, level);
            break;
        case MP_HAL_PIN_MODE_ALT:
            if (alt < 0 || alt >= FUNC_MAX) {
                mp_raise_msg_varg(
                    &mp_type_ValueError, MP_ERROR_TEXT("alt=%d is not between 0 and %d"), (int)alt, FUNC_MAX - 1);
            }
            fpioa_set_function(pad, alt);
            break;
        default:
            mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no pin mode %d"), (int)mode);
    }
}

static mp_obj_t init_helper(const machine_pin_obj_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_mode, ARG_pull, ARG_value, ARG_drive, ARG_alt };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_mode, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_pull, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_INT(-1)}},
        {MP_QSTR_value, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_drive, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_alt, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);

    mp_int_t pull = args[ARG_pull].u_obj == mp_const_none ? MP_HAL_PIN_PULL_NONE : mp_obj_get_int(args[ARG_pull].u_obj);
    if (pull < -1 || pull > MP_HAL_PIN_PULL_DOWN) {
        mp_raise_ValueError(MP_ERROR_TEXT("pull is neither None, PULL_UP nor PULL_DOWN"));
    }
    mp_int_t drive = args[ARG_drive].u_obj == mp_const_none ? -1 : mp_obj_get_int(args[ARG_drive].u_obj);
    if (drive < -1 || drive > FPIOA_DRIVING_7) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("drive=%d is not between 0 and 7"), (int)drive);
    }
    mp_int_t mode = args[ARG_mode].u_obj == mp_const_none ? -1 : mp_obj_get_int(args[ARG_mode].u_obj);
    if (mode != -1) {
        set_mode(self->pad, mode, args[ARG_value].u_obj, args[ARG_alt].u_int);
    } else if (args[ARG_value].u_obj != mp_const_none) {
        set_value(self, mp_obj_is_true(args[ARG_value].u_obj));
    }
    if (pull != -1) {
        set_pull(self->pad, pull);
    }
    if (drive != -1) {
        fpioa_set_io_driving(self->pad, drive);
    }
    return mp_const_none;
}

mp_obj_t mp_pin_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    const machine_pin_obj_t *self = find(args[0]);
    if (n_args > 1 || n_kw > 0) {
        mp_map_t kw_args;
        mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
        init_helper(self, n_args - 1, args + 1, &kw_args);
    }
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t pin_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    const machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (n_args == 0) {
        return MP_OBJ_NEW_SMALL_INT(mp_hal_pin_read(self->pad));
    }
    set_value(self, mp_obj_is_true(args[0]));
    return mp_const_none;
}

static mp_obj_t pin_init(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args) {
    return init_helper(MP_OBJ_TO_PTR(args[0]), n_args - 1, args + 1, kw_args);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(pin_init_obj, 1, pin_init);

static mp_obj_t pin_value(size_t n_args, const mp_obj_t *args) {
    return pin_call(args[0], n_args - 1, 0, args + 1);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(pin_value_obj, 1, 2, pin_value);

static mp_obj_t pin_off(mp_obj_t self_in) {
    set_value(MP_OBJ_TO_PTR(self_in), false);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_off_obj, pin_off);

static mp_obj_t pin_on(mp_obj_t self_in) {
    set_value(MP_OBJ_TO_PTR(self_in), true);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_on_obj, pin_on);

// What the pin was set to, whatever the pad shows.
static bool set_to(const machine_pin_obj_t *self) {
    int channel = channel_of(self->pad);
    if (channel < 0) {
        return false;
    }
    if (is_open_drain(self->pad)) {
        return !is_output(channel);
    }
    return channel < GPIOHS_NUM_PINS ? gpiohs->output_val >> channel & 1
                                     : gpio->data_output >> (channel - GPIOHS_NUM_PINS) & 1;
}

static mp_obj_t pin_toggle(mp_obj_t self_in) {
    const machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    set_value(self, !set_to(self));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_toggle_obj, pin_toggle);

// Interrupts /////////////////////////////////////////////////////////////////////////////////////////////////////////

static pin_irq_obj_t *irq_of(unsigned pad) {
    return MP_STATE_PORT(machine_pin_irq_obj[pad]);
}

// Lets the interrupts of a pin through that it wants; no others.
static void set_trigger(pin_irq_obj_t *irq, unsigned trigger) {
    int channel = channel_of(irq->pad);
    if (channel >= 0 && channel < GPIOHS_NUM_PINS) {
        gpiohs_set_pin_edge(channel, irq->base.handler == mp_const_none ? GPIO_PE_NONE : trigger);
    }
}

static void run_level_handler(pin_irq_obj_t *irq) {
    if (irq->base.handler != mp_const_none) {
        mp_call_function_1_protected(irq->base.handler, irq->base.parent);
    }
    set_trigger(irq, irq->trigger);
}

static mp_obj_t level_callback(mp_obj_t pin) {
    pin_irq_obj_t *irq = irq_of(((machine_pin_obj_t *)MP_OBJ_TO_PTR(pin))->pad);
    if (irq) {
        run_level_handler(irq);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(level_callback_obj, level_callback);

static void level_node_callback(mp_sched_node_t *node) {
    run_level_handler((pin_irq_obj_t *)((uintptr_t)node - offsetof(pin_irq_obj_t, node)));
}

// The level would interrupt again before a soft handler has had its turn, so it is let through again after that.
static void schedule_level_handler(pin_irq_obj_t *irq, unsigned channel) {
    gpiohs_set_pin_edge(channel, GPIO_PE_NONE);
    // The scheduler runs its nodes for as long as there are any, but one function at a time: a level that lasts
    // leaves time for the program so. The node is for when the scheduler is full, as this call must not get lost.
    if (!mp_sched_schedule(MP_OBJ_FROM_PTR(&level_callback_obj), irq->base.parent)) {
        mp_sched_schedule_node(&irq->node, level_node_callback);
    }
}

static unsigned pending_of(unsigned channel) {
    return (gpiohs->fall_ip >> channel & 1 ? GPIO_PE_FALLING : 0)
        | (gpiohs->rise_ip >> channel & 1 ? GPIO_PE_RISING : 0) | (gpiohs->low_ip >> channel & 1 ? GPIO_PE_LOW : 0)
        | (gpiohs->high_ip >> channel & 1 ? GPIO_PE_HIGH : 0);
}

static int handle(void *ctx) {
    unsigned channel = (unsigned)(uintptr_t)ctx;
    uint32_t bit = 1u << channel;
    if (taken_by[channel] == 0 || channel_of(taken_by[channel] - 1) != (int)channel) {
        // Something else was put on the pad: the channel hears nothing any more, and a level would last for ever.
        silence(channel);
        return 0;
    }
    pin_irq_obj_t *irq = irq_of(taken_by[channel] - 1);
    unsigned flags = irq ? pending_of(channel) & irq->trigger : 0;
    gpiohs->fall_ip = bit;
    gpiohs->rise_ip = bit;
    gpiohs->low_ip = bit;
    gpiohs->high_ip = bit;
    if (!flags) {
        return 0;
    }
    irq->flags = flags;
    if (!(flags & IRQ_LEVELS) || irq->base.ishard) {
        mp_irq_handler(&irq->base);
        // A level that the handler has ended is not to count again.
        gpiohs->low_ip = bit;
        gpiohs->high_ip = bit;
    } else {
        schedule_level_handler(irq, channel);
    }
    return 0;
}

static mp_uint_t irq_trigger(mp_obj_t self_in, mp_uint_t new_trigger) {
    const machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    pin_irq_obj_t *irq = irq_of(self->pad);
    irq->flags = 0;
    irq->trigger = new_trigger & IRQ_ALL;
    set_trigger(irq, irq->trigger);
    return 0;
}

static mp_uint_t irq_info(mp_obj_t self_in, mp_uint_t info_type) {
    const machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    pin_irq_obj_t *irq = irq_of(self->pad);
    return info_type == MP_IRQ_INFO_FLAGS ? irq->flags : info_type == MP_IRQ_INFO_TRIGGERS ? irq->trigger : 0;
}

static const mp_irq_methods_t irq_methods = {
    .trigger = irq_trigger,
    .info = irq_info,
};

unsigned machine_pin_need_gpiohs(mp_hal_pin_obj_t pin) {
    int channel = channel_of(pin);
    if (channel < 0) {
        mp_hal_pin_input(pin);
        channel = channel_of(pin);
    }
    if (channel >= GPIOHS_NUM_PINS) {
        bool output = is_output(channel), level = set_to(&machine_pin_obj_table[pin]), od = is_open_drain(pin);
        int pull = fpioa_get_io_pull(pin);
        channel = find_channel(pin, GPIOHS_NUM_PINS);
        if (channel < 0) {
            mp_raise_msg_varg(&mp_type_OSError,
                MP_ERROR_TEXT("all %d channels of GPIOHS are in use: none is left for pad %u"), GPIOHS_NUM_PINS, pin);
        }
        set_level(channel, level && !od);
        take_channel(pin, GPIOHS_NUM_PINS);
        set_direction(channel, output);
        fpioa_set_io_pull(pin, pull);
    }
    return channel;
}

static mp_obj_t pin_irq(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_handler, ARG_trigger, ARG_priority, ARG_wake, ARG_hard };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_handler, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_trigger, MP_ARG_INT, {.u_int = GPIO_PE_BOTH}},
        {MP_QSTR_priority, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 1}},
        {MP_QSTR_wake, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_hard, MP_ARG_KW_ONLY | MP_ARG_BOOL, {.u_bool = false}},
    };
    const machine_pin_obj_t *self = MP_OBJ_TO_PTR(pos_args[0]);
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    if (args[ARG_priority].u_int < 1 || args[ARG_priority].u_int > PLIC_NUM_PRIORITIES) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("priority %d is not between 1 and %d"),
            (int)args[ARG_priority].u_int, PLIC_NUM_PRIORITIES);
    }
    if (args[ARG_wake].u_obj != mp_const_none) {
        mp_raise_ValueError(MP_ERROR_TEXT("wake is not supported"));
    }
    mp_int_t trigger = args[ARG_trigger].u_int;
    if (trigger & ~IRQ_ALL) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no trigger %d"), (int)trigger);
    }

    pin_irq_obj_t *irq = irq_of(self->pad);
    if (irq == NULL) {
        irq = m_new0(pin_irq_obj_t, 1);
        mp_irq_init(&irq->base, &irq_methods, MP_OBJ_FROM_PTR(self));
        irq->pad = self->pad;
        MP_STATE_PORT(machine_pin_irq_obj[self->pad]) = irq;
    }
    if (n_args > 1 || kw_args->used) {
        unsigned channel = machine_pin_need_gpiohs(self->pad);
        silence(channel);
        irq->base.handler = args[ARG_handler].u_obj;
        irq->base.ishard = args[ARG_hard].u_bool;
        irq->flags = 0;
        irq->trigger = trigger;
        plic_set_priority(IRQN_GPIOHS0_INTERRUPT + channel, args[ARG_priority].u_int);
        plic_irq_register(IRQN_GPIOHS0_INTERRUPT + channel, handle, (void *)(uintptr_t)channel);
        plic_irq_enable(IRQN_GPIOHS0_INTERRUPT + channel);
        set_trigger(irq, trigger);
    }
    return MP_OBJ_FROM_PTR(irq);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(pin_irq_obj, 1, pin_irq);

void machine_pin_deinit_all(void) {
    for (unsigned channel = 0; channel < GPIOHS_NUM_PINS; channel++) {
        if (taken_by[channel]) {
            silence(channel);
        }
    }
    in_use = 0;
    memset(MP_STATE_PORT(machine_pin_irq_obj), 0, sizeof MP_STATE_PORT(machine_pin_irq_obj));
}

// Tables /////////////////////////////////////////////////////////////////////////////////////////////////////////////

static const mp_rom_map_elem_t pin_locals_dict_table[] = {
    {MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&pin_init_obj)},
    {MP_ROM_QSTR(MP_QSTR_value), MP_ROM_PTR(&pin_value_obj)},
    {MP_ROM_QSTR(MP_QSTR_off), MP_ROM_PTR(&pin_off_obj)},
    {MP_ROM_QSTR(MP_QSTR_on), MP_ROM_PTR(&pin_on_obj)},
    {MP_ROM_QSTR(MP_QSTR_low), MP_ROM_PTR(&pin_off_obj)},
    {MP_ROM_QSTR(MP_QSTR_high), MP_ROM_PTR(&pin_on_obj)},
    {MP_ROM_QSTR(MP_QSTR_toggle), MP_ROM_PTR(&pin_toggle_obj)},
    {MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&pin_irq_obj)},

    {MP_ROM_QSTR(MP_QSTR_board), MP_ROM_PTR(&board_pins_type)},

    {MP_ROM_QSTR(MP_QSTR_IN), MP_ROM_INT(MP_HAL_PIN_MODE_INPUT)},
    {MP_ROM_QSTR(MP_QSTR_OUT), MP_ROM_INT(MP_HAL_PIN_MODE_OUTPUT)},
    {MP_ROM_QSTR(MP_QSTR_OPEN_DRAIN), MP_ROM_INT(MP_HAL_PIN_MODE_OPEN_DRAIN)},
    {MP_ROM_QSTR(MP_QSTR_ALT), MP_ROM_INT(MP_HAL_PIN_MODE_ALT)},
    {MP_ROM_QSTR(MP_QSTR_PULL_UP), MP_ROM_INT(MP_HAL_PIN_PULL_UP)},
    {MP_ROM_QSTR(MP_QSTR_PULL_DOWN), MP_ROM_INT(MP_HAL_PIN_PULL_DOWN)},
    {MP_ROM_QSTR(MP_QSTR_DRIVE_0), MP_ROM_INT(FPIOA_DRIVING_0)},
    {MP_ROM_QSTR(MP_QSTR_DRIVE_1), MP_ROM_INT(FPIOA_DRIVING_1)},
    {MP_ROM_QSTR(MP_QSTR_DRIVE_2), MP_ROM_INT(FPIOA_DRIVING_2)},
    {MP_ROM_QSTR(MP_QSTR_DRIVE_3), MP_ROM_INT(FPIOA_DRIVING_3)},
    {MP_ROM_QSTR(MP_QSTR_DRIVE_4), MP_ROM_INT(FPIOA_DRIVING_4)},
    {MP_ROM_QSTR(MP_QSTR_DRIVE_5), MP_ROM_INT(FPIOA_DRIVING_5)},
    {MP_ROM_QSTR(MP_QSTR_DRIVE_6), MP_ROM_INT(FPIOA_DRIVING_6)},
    {MP_ROM_QSTR(MP_QSTR_DRIVE_7), MP_ROM_INT(FPIOA_DRIVING_7)},
    {MP_ROM_QSTR(MP_QSTR_IRQ_FALLING), MP_ROM_INT(GPIO_PE_FALLING)},
    {MP_ROM_QSTR(MP_QSTR_IRQ_RISING), MP_ROM_INT(GPIO_PE_RISING)},
    {MP_ROM_QSTR(MP_QSTR_IRQ_LOW_LEVEL), MP_ROM_INT(GPIO_PE_LOW)},
    {MP_ROM_QSTR(MP_QSTR_IRQ_HIGH_LEVEL), MP_ROM_INT(GPIO_PE_HIGH)},
};
static MP_DEFINE_CONST_DICT(pin_locals_dict, pin_locals_dict_table);

static mp_uint_t pin_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    (void)errcode;
    const machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    switch (request) {
        case MP_PIN_READ:
            return mp_hal_pin_read(self->pad);
        case MP_PIN_WRITE:
            set_value(self, arg);
            return 0;
        case MP_PIN_INPUT:
            mp_hal_pin_input(self->pad);
            return 0;
        case MP_PIN_OUTPUT:
            mp_hal_pin_output(self->pad);
            return 0;
        default:
            return -1;
    }
}

static const mp_pin_p_t pin_protocol = {
    .ioctl = pin_ioctl,
};

MP_DEFINE_CONST_OBJ_TYPE(machine_pin_type, MP_QSTR_Pin, MP_TYPE_FLAG_NONE, make_new, mp_pin_make_new, print, pin_print,
    call, pin_call, protocol, &pin_protocol, locals_dict, &pin_locals_dict);

MP_REGISTER_ROOT_POINTER(void *machine_pin_irq_obj[48]);
