// Included by extmod/machine_pwm.c. A PWM takes the last free channel of TIMER2 to TIMER0, so that the first ones
// are left for Timer; each has a frequency of its own.

#include <string.h>

#include "fpioa.h"
#include "machine_pin.h"
#include "machine_timer.h"

#define FREQ_MAX (MACHINE_TIMER_HZ / 2)
#define DUTY_MAX (65535)

typedef enum { DUTY_NONE, DUTY_U16, DUTY_NS } duty_kind_t;

struct _machine_pwm_obj_t {
    mp_obj_base_t base;
    uint8_t pad, id; // id: of the channel, as Timer counts them
    bool invert;
    uint8_t duty_kind; // what the duty was given as, so that it can be kept when the frequency changes
    uint32_t freq; // 0: not set
    uint32_t duty;
    uint32_t period, high; // clocks
};

static volatile kendryte_timer_t *block_of(const machine_pwm_obj_t *self) {
    return timer[self->id / TIMER_CHANNEL_MAX];
}

static bool is_active(const machine_pwm_obj_t *self) {
    return MP_STATE_PORT(machine_pwm_obj[self->id]) == self;
}

static void check_active(const machine_pwm_obj_t *self) {
    if (!is_active(self)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("the PWM on pad %u was deinitialised"), self->pad);
    }
}

// What the FPIOA makes of the channel's output, unless something else has been put on the pad.
static void set_inverted(const machine_pwm_obj_t *self, bool inverted) {
    uint32_t word = fpioa->io[self->pad] & ~FPIOA_DO_INV;
    if ((word & FPIOA_CH_SEL_MASK) != (uint32_t)FUNC_TIMER0_TOGGLE1 + self->id) {
        return;
    }
    fpioa->io[self->pad] = inverted ? word | FPIOA_DO_INV : word;
}

// The hardware makes no phase shorter than a clock: all low is a stopped channel, whose output is low, and all high
// that output inverted by the FPIOA. (That a stopped channel's output is low is DesignWare's documented behaviour
// without PWM; nobody says so for this chip.)
static void apply(machine_pwm_obj_t *self) {
    unsigned block = self->id / TIMER_CHANNEL_MAX, channel = self->id % TIMER_CHANNEL_MAX;
    if (self->freq == 0 || self->duty_kind == DUTY_NONE) {
        return;
    }
    uint64_t period = (MACHINE_TIMER_HZ + self->freq / 2) / self->freq;
    uint64_t high = self->duty_kind == DUTY_NS ? ((uint64_t)self->duty * (MACHINE_TIMER_HZ / 1000000) + 500) / 1000
                                               : (self->duty * period + DUTY_MAX / 2) / DUTY_MAX;
    // A duty that is neither nothing nor all keeps both levels.
    bool all = self->duty_kind == DUTY_NS ? high >= period : self->duty == DUTY_MAX;
    if (self->duty != 0 && high == 0) {
        high = 1;
    }
    if (all || high > period) {
        high = period;
    } else if (high == period) {
        high = period - 1;
    }
    self->period = period;
    self->high = high;
    if (high == 0 || high == period) {
        pwm_set_enable(block, channel, 0);
        set_inverted(self, (high == period) != self->invert);
        return;
    }
    block_of(self)->channel[channel].load_count = period - high - 1;
    block_of(self)->load_count2[channel] = high - 1;
    set_inverted(self, self->invert);
    // A running channel takes the new phases as the old ones end.
    if (!(block_of(self)->channel[channel].control & TIMER_CR_ENABLE)) {
        pwm_set_enable(block, channel, 1);
    }
}

static void mp_machine_pwm_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    machine_pwm_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "PWM(Pin(%u), freq=%u, %q=%u, invert=%d)", self->pad, self->freq,
        self->duty_kind == DUTY_NS ? MP_QSTR_duty_ns : MP_QSTR_duty_u16, self->duty, self->invert);
}

static void set_freq(machine_pwm_obj_t *self, mp_int_t freq) {
    if (freq < 1 || freq > FREQ_MAX) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("freq=%d is not between 1 and %d Hz"), (int)freq, FREQ_MAX);
    }
    self->freq = freq;
}

static void set_duty(machine_pwm_obj_t *self, duty_kind_t kind, mp_int_t duty) {
    if (duty < 0 || (kind == DUTY_U16 && duty > DUTY_MAX) || duty > UINT32_MAX) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%q=%d is not between 0 and %u"),
            kind == DUTY_U16 ? MP_QSTR_duty_u16 : MP_QSTR_duty_ns, (int)duty, kind == DUTY_U16 ? DUTY_MAX : UINT32_MAX);
    }
    self->duty_kind = kind;
    self->duty = duty;
}

// The channel on the pad's output again, after deinit() perhaps another one.
static void take_channel(machine_pwm_obj_t *self) {
    for (int id = MACHINE_TIMER_CHANNELS - 1; id >= 0; id--) {
        if (MP_STATE_PORT(machine_pwm_obj[id]) == NULL && MP_STATE_PORT(machine_timer_obj[id]) == NULL) {
            self->id = id;
            machine_timer_start_block(id / TIMER_CHANNEL_MAX);
            pwm_set_enable(id / TIMER_CHANNEL_MAX, id % TIMER_CHANNEL_MAX, 0);
            MP_STATE_PORT(machine_pwm_obj[id]) = self;
            fpioa_set_function(self->pad, FUNC_TIMER0_TOGGLE1 + id);
            set_inverted(self, self->invert);
            return;
        }
    }
    mp_raise_msg_varg(&mp_type_OSError,
        MP_ERROR_TEXT("all %d timer channels are in use: none is left for a PWM on pad %u"), MACHINE_TIMER_CHANNELS,
        self->pad);
}

static void mp_machine_pwm_init_helper(
    machine_pwm_obj_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_freq, ARG_duty_u16, ARG_duty_ns, ARG_invert };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_freq, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_duty_u16, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_duty_ns, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_invert, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    if (args[ARG_duty_u16].u_int != -1 && args[ARG_duty_ns].u_int != -1) {
        mp_raise_ValueError(MP_ERROR_TEXT("only one of duty_u16 and duty_ns can be given"));
    }
    if (args[ARG_freq].u_int != -1) {
        set_freq(self, args[ARG_freq].u_int);
    }
    if (args[ARG_duty_u16].u_int != -1) {
        set_duty(self, DUTY_U16, args[ARG_duty_u16].u_int);
    } else if (args[ARG_duty_ns].u_int != -1) {
        set_duty(self, DUTY_NS, args[ARG_duty_ns].u_int);
    }
    if (args[ARG_invert].u_obj != mp_const_none) {
        self->invert = mp_obj_is_true(args[ARG_invert].u_obj);
    }
    if (!is_active(self)) {
        take_channel(self);
    }
    set_inverted(self, self->invert);
    apply(self);
}

static machine_pwm_obj_t *find_by_pad(unsigned pad) {
    for (unsigned id = 0; id < MACHINE_TIMER_CHANNELS; id++) {
        machine_pwm_obj_t *pwm = MP_STATE_PORT(machine_pwm_obj[id]);
        if (pwm && pwm->pad == pad) {
            return pwm;
        }
    }
    return NULL;
}

static mp_obj_t mp_machine_pwm_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, 1, true);
    unsigned pad = mp_hal_get_pin_obj(args[0]);
    machine_pwm_obj_t *self = find_by_pad(pad);
    if (self == NULL) {
        self = mp_obj_malloc(machine_pwm_obj_t, type);
        self->pad = pad;
        self->id = 0;
        self->invert = false;
        self->duty_kind = DUTY_NONE;
        self->freq = self->duty = self->period = self->high = 0;
    } else {
        // Something else may have been put on the pad meanwhile.
        MP_STATE_PORT(machine_pwm_obj[self->id]) = NULL;
    }
    mp_map_t kw_args;
    mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
    mp_machine_pwm_init_helper(self, 0, args + 1, &kw_args);
    return MP_OBJ_FROM_PTR(self);
}

static void mp_machine_pwm_deinit(machine_pwm_obj_t *self) {
    if (!is_active(self)) {
        return;
    }
    pwm_set_enable(self->id / TIMER_CHANNEL_MAX, self->id % TIMER_CHANNEL_MAX, 0);
    MP_STATE_PORT(machine_pwm_obj[self->id]) = NULL;
    if (fpioa_get_io_by_function(FUNC_TIMER0_TOGGLE1 + self->id) == self->pad) {
        fpioa_set_function(self->pad, FUNC_RESV0);
    }
}

void machine_pwm_deinit_all(void) {
    for (unsigned id = 0; id < MACHINE_TIMER_CHANNELS; id++) {
        if (MP_STATE_PORT(machine_pwm_obj[id])) {
            mp_machine_pwm_deinit(MP_STATE_PORT(machine_pwm_obj[id]));
        }
    }
}

static mp_obj_t mp_machine_pwm_freq_get(machine_pwm_obj_t *self) {
    return MP_OBJ_NEW_SMALL_INT(self->period ? (MACHINE_TIMER_HZ + self->period / 2) / self->period : self->freq);
}

static void mp_machine_pwm_freq_set(machine_pwm_obj_t *self, mp_int_t freq) {
    check_active(self);
    set_freq(self, freq);
    apply(self);
}

static mp_obj_t mp_machine_pwm_duty_get_u16(machine_pwm_obj_t *self) {
    if (self->period) {
        return MP_OBJ_NEW_SMALL_INT(((uint64_t)self->high * DUTY_MAX + self->period / 2) / self->period);
    }
    return MP_OBJ_NEW_SMALL_INT(self->duty_kind == DUTY_U16 ? self->duty : 0);
}

static void mp_machine_pwm_duty_set_u16(machine_pwm_obj_t *self, mp_int_t duty_u16) {
    check_active(self);
    set_duty(self, DUTY_U16, duty_u16);
    apply(self);
}

static mp_obj_t mp_machine_pwm_duty_get_ns(machine_pwm_obj_t *self) {
    if (self->period) {
        return mp_obj_new_int_from_ull((uint64_t)self->high * 1000 / (MACHINE_TIMER_HZ / 1000000));
    }
    return mp_obj_new_int_from_uint(self->duty_kind == DUTY_NS ? self->duty : 0);
}

static void mp_machine_pwm_duty_set_ns(machine_pwm_obj_t *self, mp_int_t duty_ns) {
    check_active(self);
    set_duty(self, DUTY_NS, duty_ns);
    apply(self);
}
