// Class machine.Pin; see machine_pin.h for how pads and channels come together.

#include "py/mphal.h"
#include "py/objstr.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"
#include "extmod/virtpin.h"

#include "gpiohs.h"
#include "machine_pin.h"
#include "machine_pin_board.h"
#include "pin_channels.h"

#define P(n) {{&machine_pin_type}, (n)}
#define P8(n) P(n), P((n) + 1), P((n) + 2), P((n) + 3), P((n) + 4), P((n) + 5), P((n) + 6), P((n) + 7)
const machine_pin_obj_t machine_pin_obj_table[FPIOA_NUM_IO] = {P8(0), P8(8), P8(16), P8(24), P8(32), P8(40)};

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

static void pin_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    const machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    int channel = pin_channel_of(self->pad), pull = fpioa_get_io_pull(self->pad);
    qstr mode = channel < 0              ? MP_QSTR_ALT
        : pin_is_open_drain(self->pad)   ? MP_QSTR_OPEN_DRAIN
        : pin_channel_is_output(channel) ? MP_QSTR_OUT
                                         : MP_QSTR_IN;
    mp_printf(print, "Pin(%u, mode=%q", self->pad, mode);
    if (pull != FPIOA_PULL_NONE) {
        mp_printf(print, ", pull=%q", pull == FPIOA_PULL_UP ? MP_QSTR_PULL_UP : MP_QSTR_PULL_DOWN);
    }
    if (channel < 0) {
        mp_printf(print, ", alt=%u", pin_function_of(self->pad));
    }
    mp_print_str(print, ")");
}

static void set_value(const machine_pin_obj_t *self, bool value) {
    int channel = pin_channel_of(self->pad);
    if (channel < 0) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("Pin(%u) has no mode IN, OUT or OPEN_DRAIN"), self->pad);
    }
    if (pin_is_open_drain(self->pad)) {
        pin_channel_set_direction(channel, !value);
    } else {
        pin_channel_set_level(channel, value);
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
            pin_need_channel(pad);
            if (value != mp_const_none) {
                mp_hal_pin_write(pad, level);
            }
            mp_hal_pin_output(pad);
            break;
        case MP_HAL_PIN_MODE_OPEN_DRAIN:
            pin_set_open_drain(pad, level);
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
        pin_set_pull(self->pad, pull);
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

static mp_obj_t pin_toggle(mp_obj_t self_in) {
    const machine_pin_obj_t *self = MP_OBJ_TO_PTR(self_in);
    set_value(self, !pin_set_to(self->pad));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_toggle_obj, pin_toggle);

// Tables /////////////////////////////////////////////////////////////////////////////////////////////////////////////

static const mp_rom_map_elem_t pin_locals_dict_table[] = {
    {MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&pin_init_obj)},
    {MP_ROM_QSTR(MP_QSTR_value), MP_ROM_PTR(&pin_value_obj)},
    {MP_ROM_QSTR(MP_QSTR_off), MP_ROM_PTR(&pin_off_obj)},
    {MP_ROM_QSTR(MP_QSTR_on), MP_ROM_PTR(&pin_on_obj)},
    {MP_ROM_QSTR(MP_QSTR_low), MP_ROM_PTR(&pin_off_obj)},
    {MP_ROM_QSTR(MP_QSTR_high), MP_ROM_PTR(&pin_on_obj)},
    {MP_ROM_QSTR(MP_QSTR_toggle), MP_ROM_PTR(&pin_toggle_obj)},
    {MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&machine_pin_irq_fun_obj)},

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
