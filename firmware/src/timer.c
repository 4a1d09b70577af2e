#include <stdbool.h>

#include "bsp.h"
#include "plic.h"
#include "sysctl.h"
#include "timer.h"

_Static_assert(offsetof(kendryte_timer_t, intr_stat) == 0xa0, "intr_stat");
_Static_assert(offsetof(kendryte_timer_t, load_count2) == 0xb0, "load_count2");

volatile kendryte_timer_t *const timer[TIMER_DEVICE_MAX] = {
    (volatile kendryte_timer_t *)TIMER0_BASE_ADDR,
    (volatile kendryte_timer_t *)TIMER1_BASE_ADDR,
    (volatile kendryte_timer_t *)TIMER2_BASE_ADDR,
};

static struct {
    timer_callback_t callback;
    void (*func)();
    void *ctx;
    bool single_shot;
} instances[TIMER_DEVICE_MAX][TIMER_CHANNEL_MAX];

static bool exists(timer_device_number_t device, timer_channel_number_t channel) {
    return (unsigned)device < TIMER_DEVICE_MAX && (unsigned)channel < TIMER_CHANNEL_MAX;
}

// Channels 0 and 1 share one line, 2 and 3 the other. Source: Kendryte standalone SDK, timer.c.
static plic_irq_t line_of(timer_device_number_t device, timer_channel_number_t channel) {
    return IRQN_TIMER0A_INTERRUPT + 2 * device + channel / 2;
}

void timer_init(timer_device_number_t timer_number) {
    sysctl_clock_enable(SYSCTL_CLOCK_TIMER0 + timer_number);
    for (unsigned channel = 0; channel < TIMER_CHANNEL_MAX; channel++) {
        timer_set_enable(timer_number, channel, 0);
        timer_irq_unregister(timer_number, channel);
    }
}

void timer_set_clock_div(timer_device_number_t timer_number, uint32_t div) {
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_TIMER0 + timer_number, div);
}

size_t timer_set_interval(timer_device_number_t timer_number, timer_channel_number_t channel, size_t nanoseconds) {
    // In units of which neither factor overflows: 2^32 clocks of the slowest clock are 84,000 seconds.
    uint64_t clock = sysctl_clock_get_freq(SYSCTL_CLOCK_TIMER0 + timer_number);
    uint64_t seconds = nanoseconds / 1000000000, rest = nanoseconds % 1000000000;
    if (seconds > UINT32_MAX) {
        return 0;
    }
    uint64_t clocks = seconds * clock + rest * clock / 1000000000;
    if (clocks < 2 || clocks > UINT64_C(1) << 32) {
        return 0;
    }
    timer[timer_number]->channel[channel].load_count = (uint32_t)(clocks - 1);
    return clocks / clock * 1000000000 + clocks % clock * 1000000000 / clock;
}

void timer_set_enable(timer_device_number_t timer_number, timer_channel_number_t channel, uint32_t enable) {
    timer[timer_number]->channel[channel].control =
        enable ? TIMER_CR_USER_MODE | TIMER_CR_ENABLE : TIMER_CR_INTERRUPT_MASK;
}

static void handle_channel(timer_device_number_t device, timer_channel_number_t channel) {
    (void)timer[device]->channel[channel].eoi;
    if (instances[device][channel].single_shot) {
        timer_set_enable(device, channel, 0);
    }
    if (instances[device][channel].callback) {
        instances[device][channel].callback(instances[device][channel].ctx);
    } else if (instances[device][channel].func) {
        instances[device][channel].func();
    }
}

// ctx: twice the device, and 1 for channels 2 and 3.
static int handle(void *ctx) {
    unsigned device = (unsigned)(uintptr_t)ctx / 2, first = (unsigned)(uintptr_t)ctx % 2 * 2;
    for (unsigned channel = first; channel < first + 2; channel++) {
        if (timer[device]->channel[channel].intr_stat & 1) {
            handle_channel(device, channel);
        }
    }
    return 0;
}

static void enable_line(timer_device_number_t device, timer_channel_number_t channel, uint32_t priority) {
    plic_irq_t irq = line_of(device, channel);
    plic_set_priority(irq, priority);
    plic_irq_register(irq, handle, (void *)(uintptr_t)(2 * device + channel / 2));
    plic_irq_enable(irq);
}

int timer_irq_register(timer_device_number_t device, timer_channel_number_t channel, int is_single_shot,
    uint32_t priority, timer_callback_t callback, void *ctx) {
    if (!exists(device, channel)) {
        return -1;
    }
    uint64_t state = bsp_irq_save();
    instances[device][channel].callback = callback;
    instances[device][channel].func = NULL;
    instances[device][channel].ctx = ctx;
    instances[device][channel].single_shot = is_single_shot;
    bsp_irq_restore(state);
    enable_line(device, channel, priority);
    return 0;
}

int timer_irq_unregister(timer_device_number_t device, timer_channel_number_t channel) {
    if (!exists(device, channel)) {
        return -1;
    }
    uint64_t state = bsp_irq_save();
    instances[device][channel].callback = NULL;
    instances[device][channel].func = NULL;
    instances[device][channel].single_shot = false;
    bsp_irq_restore(state);
    unsigned other = channel ^ 1;
    if (!instances[device][other].callback && !instances[device][other].func) {
        plic_irq_disable(line_of(device, channel));
        plic_irq_unregister(line_of(device, channel));
    }
    return 0;
}

void timer_set_irq(
    timer_device_number_t timer_number, timer_channel_number_t channel, void (*func)(), uint32_t priority) {
    if (timer_irq_register(timer_number, channel, 0, priority, NULL, NULL) == 0) {
        instances[timer_number][channel].func = func;
    }
}
