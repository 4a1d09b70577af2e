// Class machine.Timer: Timer(0) to Timer(11) are the channels of TIMER0 to TIMER2; Timer(-1) makes one
// more that is served by a millisecond clock.

#include <string.h>

#include "py/runtime.h"
#include "extmod/modmachine.h"
#include "shared/runtime/mpirq.h"
#include "shared/runtime/softtimer.h"

#include "bsp.h"
#include "machine_timer.h"
#include "sysctl.h"

#define VIRTUAL (-1)
#define MODE_ONE_SHOT (0)
#define MODE_PERIODIC (1)
#define CLOCKS_PER_MS (MACHINE_TIMER_HZ / 1000)
// More interrupts leave no time for anything else.
#define FREQ_MAX (100000)
#define FREQ_MAX_VIRTUAL (1000)
#define PERIOD_MAX_MS (INT32_MAX)

typedef struct {
    // First, and the base of the object: the soft timers mark it for the garbage collector.
    soft_timer_entry_t soft;
    mp_irq_obj_t irq;
    int id;
    uint8_t mode;
    volatile bool running;
    double period_ms;
    // A channel counts 2^32 clocks at most; longer periods take several laps.
    uint32_t laps, laps_left;
} timer_obj_t;

static timer_device_number_t block_of(const timer_obj_t *self) {
    return self->id / TIMER_CHANNEL_MAX;
}

static timer_channel_number_t channel_of(const timer_obj_t *self) {
    return self->id % TIMER_CHANNEL_MAX;
}

void machine_timer_start_block(unsigned block) {
    sysctl_clock_set_clock_select(SYSCTL_CLOCK_SELECT_TIMER0 + block, 0);
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_TIMER0 + block, 0);
    sysctl_clock_enable(SYSCTL_CLOCK_TIMER0 + block);
}

static void stop(timer_obj_t *self) {
    if (self->id == VIRTUAL) {
        soft_timer_remove(&self->soft);
    } else {
        timer_set_enable(block_of(self), channel_of(self), 0);
        timer_irq_unregister(block_of(self), channel_of(self));
    }
    self->running = false;
}

static int on_channel(void *ctx) {
    timer_obj_t *self = ctx;
    if (--self->laps_left == 0) {
        self->laps_left = self->laps;
        if (self->mode == MODE_ONE_SHOT) {
            timer_set_enable(block_of(self), channel_of(self), 0);
            self->running = false;
        }
        mp_irq_handler(&self->irq);
    }
    return 0;
}

static void on_soft_timer(soft_timer_entry_t *entry) {
    timer_obj_t *self = (timer_obj_t *)entry;
    if (self->mode == MODE_ONE_SHOT) {
        self->running = false;
    }
    mp_irq_handler(&self->irq);
}

// After an exception in a hard handler.
static mp_uint_t irq_trigger(mp_obj_t self_in, mp_uint_t new_trigger) {
    (void)new_trigger;
    stop(MP_OBJ_TO_PTR(self_in));
    return 0;
}

static mp_uint_t irq_info(mp_obj_t self_in, mp_uint_t info_type) {
    (void)self_in;
    (void)info_type;
    return 0;
}

static const mp_irq_methods_t irq_methods = {
    .trigger = irq_trigger,
    .info = irq_info,
};

static void start(timer_obj_t *self) {
    if (self->id == VIRTUAL) {
        uint32_t ms = self->period_ms < 1 ? 1 : (uint32_t)(self->period_ms + 0.5);
        soft_timer_static_init(&self->soft,
            self->mode == MODE_ONE_SHOT ? SOFT_TIMER_MODE_ONE_SHOT : SOFT_TIMER_MODE_PERIODIC, ms, on_soft_timer);
        self->soft.flags = SOFT_TIMER_FLAG_GC_ALLOCATED;
        self->running = true;
        soft_timer_insert(&self->soft, ms);
        return;
    }
    machine_timer_start_block(block_of(self));
    uint64_t clocks = (uint64_t)(self->period_ms * CLOCKS_PER_MS + 0.5);
    self->laps = self->laps_left = (uint32_t)((clocks - 1) >> 32) + 1;
    timer[block_of(self)]->channel[channel_of(self)].load_count = (uint32_t)(clocks / self->laps - 1);
    timer_irq_register(block_of(self), channel_of(self), 0, 1, on_channel, self);
    self->running = true;
    timer_set_enable(block_of(self), channel_of(self), 1);
}

static void timer_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    timer_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "Timer(%d", self->id);
    if (self->running) {
        mp_printf(print, ", mode=%q, period=", self->mode == MODE_ONE_SHOT ? MP_QSTR_ONE_SHOT : MP_QSTR_PERIODIC);
        mp_obj_print_helper(print, mp_obj_new_float(self->period_ms), PRINT_STR);
    }
    mp_print_str(print, ")");
}

static double period_from(mp_obj_t freq_in, mp_int_t period, int freq_max) {
    if (freq_in == mp_const_none || freq_in == MP_OBJ_NEW_SMALL_INT(-1)) {
        if (period < 1 || period > PERIOD_MAX_MS) {
            mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("period=%d is not between 1 and %d milliseconds"),
                (int)period, PERIOD_MAX_MS);
        }
        return period;
    }
    double freq = mp_obj_get_float(freq_in);
    if (!(freq > 1000.0 / PERIOD_MAX_MS && freq <= freq_max)) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("freq=%g is not above 0 and at most %d Hz"), freq, freq_max);
    }
    return 1000 / freq;
}

static mp_obj_t init_helper(timer_obj_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_mode, ARG_freq, ARG_period, ARG_callback, ARG_hard };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_mode, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = MODE_PERIODIC}},
        {MP_QSTR_freq, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_period, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_callback, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_hard, MP_ARG_KW_ONLY | MP_ARG_BOOL, {.u_bool = false}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    mp_int_t mode = args[ARG_mode].u_int;
    if (mode != MODE_ONE_SHOT && mode != MODE_PERIODIC) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("mode %d is neither ONE_SHOT nor PERIODIC"), (int)mode);
    }
    if (self->id == VIRTUAL && args[ARG_hard].u_bool) {
        // shared/runtime/softtimer.c does not let its callbacks start or stop timers.
        mp_raise_ValueError(MP_ERROR_TEXT("hard=True needs a hardware timer, Timer(0) to Timer(11)"));
    }
    double period_ms =
        period_from(args[ARG_freq].u_obj, args[ARG_period].u_int, self->id == VIRTUAL ? FREQ_MAX_VIRTUAL : FREQ_MAX);
    stop(self);
    self->mode = mode;
    self->period_ms = period_ms;
    self->irq.handler = args[ARG_callback].u_obj;
    self->irq.ishard = args[ARG_hard].u_bool;
    start(self);
    return mp_const_none;
}

static timer_obj_t *new_timer(int id) {
    timer_obj_t *self = mp_obj_malloc_with_finaliser(timer_obj_t, &machine_timer_type);
    mp_irq_init(&self->irq, &irq_methods, MP_OBJ_FROM_PTR(self));
    self->id = id;
    self->running = false;
    soft_timer_static_init(&self->soft, SOFT_TIMER_MODE_ONE_SHOT, 0, on_soft_timer);
    return self;
}

static void check_free(int id) {
    if (MP_STATE_PORT(machine_pwm_obj[id]) || MP_STATE_PORT(machine_timer_obj[id])) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("Timer(%d) is in use by %s"), id,
            MP_STATE_PORT(machine_pwm_obj[id]) ? "a PWM" : "another Timer");
    }
}

static timer_obj_t *hardware_timer(mp_int_t id) {
    if (id < 0 || id >= MACHINE_TIMER_CHANNELS) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("Timer(%d) is neither -1 (virtual) nor 0 to %d"), (int)id,
            MACHINE_TIMER_CHANNELS - 1);
    }
    if (MP_STATE_PORT(machine_timer_obj[id]) == NULL) {
        check_free(id);
        MP_STATE_PORT(machine_timer_obj[id]) = new_timer(id);
    }
    return MP_STATE_PORT(machine_timer_obj[id]);
}

static mp_obj_t timer_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)type;
    mp_int_t id = VIRTUAL;
    if (n_args > 0) {
        id = mp_obj_get_int(args[0]);
        n_args--;
        args++;
    }
    timer_obj_t *self = id == VIRTUAL ? new_timer(id) : hardware_timer(id);
    if (n_args > 0 || n_kw > 0) {
        mp_map_t kw_args;
        mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
        init_helper(self, n_args, args, &kw_args);
    }
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t timer_init_method(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args) {
    timer_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    // After deinit() a channel is anybody's.
    if (self->id != VIRTUAL && MP_STATE_PORT(machine_timer_obj[self->id]) != self) {
        check_free(self->id);
        MP_STATE_PORT(machine_timer_obj[self->id]) = self;
    }
    return init_helper(self, n_args - 1, args + 1, kw_args);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(timer_init_obj, 1, timer_init_method);

static mp_obj_t timer_deinit(mp_obj_t self_in) {
    timer_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->id == VIRTUAL) {
        stop(self);
    } else if (MP_STATE_PORT(machine_timer_obj[self->id]) == self) {
        stop(self);
        MP_STATE_PORT(machine_timer_obj[self->id]) = NULL;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(timer_deinit_obj, timer_deinit);

void machine_timer_deinit_all(void) {
    for (unsigned id = 0; id < MACHINE_TIMER_CHANNELS; id++) {
        if (MP_STATE_PORT(machine_timer_obj[id])) {
            stop(MP_STATE_PORT(machine_timer_obj[id]));
        }
    }
    memset(MP_STATE_PORT(machine_timer_obj), 0, sizeof MP_STATE_PORT(machine_timer_obj));
}

static const mp_rom_map_elem_t timer_locals_dict_table[] = {
    {MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&timer_deinit_obj)},
    {MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&timer_init_obj)},
    {MP_ROM_QSTR(MP_QSTR_deinit), MP_ROM_PTR(&timer_deinit_obj)},

    {MP_ROM_QSTR(MP_QSTR_ONE_SHOT), MP_ROM_INT(MODE_ONE_SHOT)},
    {MP_ROM_QSTR(MP_QSTR_PERIODIC), MP_ROM_INT(MODE_PERIODIC)},
};
static MP_DEFINE_CONST_DICT(timer_locals_dict, timer_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(machine_timer_type, MP_QSTR_Timer, MP_TYPE_FLAG_NONE, make_new, timer_make_new, print,
    timer_print, locals_dict, &timer_locals_dict);

MP_REGISTER_ROOT_POINTER(void *machine_timer_obj[12]);
MP_REGISTER_ROOT_POINTER(void *machine_pwm_obj[12]);
