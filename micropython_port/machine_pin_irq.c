// Pin.irq(): interrupts of pins, for hard and soft handlers, on edges and levels.

#include <string.h>

#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/runtime/mpirq.h"

#include "gpiohs.h"
#include "machine_pin.h"
#include "pin_channels.h"
#include "plic.h"

#define IRQ_ALL (GPIO_PE_FALLING | GPIO_PE_RISING | GPIO_PE_LOW | GPIO_PE_HIGH)
#define IRQ_LEVELS (GPIO_PE_LOW | GPIO_PE_HIGH)

typedef struct {
    mp_irq_obj_t base;
    mp_sched_node_t node;
    uint8_t pad, flags, trigger;
} pin_irq_obj_t;

static pin_irq_obj_t *irq_of(unsigned pad) {
    return MP_STATE_PORT(machine_pin_irq_obj[pad]);
}

// Lets the interrupts of a pin through that it wants; no others.
static void set_trigger(pin_irq_obj_t *irq, unsigned trigger) {
    int channel = pin_channel_of(irq->pad);
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
    int pad = pin_of_channel(channel);
    if (pad < 0) {
        // Something else was put on the pad: the channel hears nothing any more, and a level would last for ever.
        pin_channel_silence(channel);
        return 0;
    }
    pin_irq_obj_t *irq = irq_of((unsigned)pad);
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
        pin_channel_silence(channel);
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
MP_DEFINE_CONST_FUN_OBJ_KW(machine_pin_irq_fun_obj, 1, pin_irq);

void machine_pin_deinit_all(void) {
    pin_channels_deinit();
    memset(MP_STATE_PORT(machine_pin_irq_obj), 0, sizeof MP_STATE_PORT(machine_pin_irq_obj));
}

MP_REGISTER_ROOT_POINTER(void *machine_pin_irq_obj[48]);
