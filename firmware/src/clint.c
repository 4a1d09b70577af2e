#include <stdbool.h>

#include "bsp.h"
#include "clint.h"
#include "sysctl.h"

_Static_assert(offsetof(clint_t, mtimecmp) == 0x4000, "mtimecmp");
_Static_assert(offsetof(clint_t, mtime) == 0xbff8, "mtime");

typedef struct {
    uint64_t time[CLINT_ALARM_COUNT]; // 0 is "never", so that zeroed memory has none
    clint_timer_callback_t callback[CLINT_ALARM_COUNT];
    void *ctx[CLINT_ALARM_COUNT];
    uint64_t interval; // of CLINT_ALARM_INTERVAL, in ticks; 0 for once
    clint_ipi_callback_t ipi_callback;
    void *ipi_ctx;
} hart_clint_t;

static hart_clint_t harts[PLATFORM_NUM_CORES];

void clint_timer_set(unsigned core_id, uint64_t time) {
    clint->mtimecmp[core_id] = time;
}

static void arm(hart_clint_t *hart) {
    uint64_t earliest = CLINT_NEVER;
    for (unsigned i = 0; i < CLINT_ALARM_COUNT; i++) {
        if (hart->time[i] && hart->time[i] < earliest) {
            earliest = hart->time[i];
        }
    }
    clint->mtimecmp[hart - harts] = earliest;
    set_csr(mie, MIP_MTIP);
}

void clint_alarm_set(clint_alarm_t alarm, uint64_t time) {
    hart_clint_t *hart = &harts[current_coreid()];
    uint64_t state = bsp_irq_save();
    hart->time[alarm] = time == CLINT_NEVER ? 0 : time ? time : 1;
    arm(hart);
    bsp_irq_restore(state);
}

void clint_alarm_register(clint_alarm_t alarm, clint_timer_callback_t callback, void *ctx) {
    hart_clint_t *hart = &harts[current_coreid()];
    uint64_t state = bsp_irq_save();
    hart->callback[alarm] = callback;
    hart->ctx[alarm] = ctx;
    bsp_irq_restore(state);
}

void clint_timer_interrupt(void) {
    hart_clint_t *hart = &harts[current_coreid()];
    uint64_t now = clint_get_time();
    for (unsigned i = 0; i < CLINT_ALARM_COUNT; i++) {
        if (!hart->time[i] || hart->time[i] > now) {
            continue;
        }
        hart->time[i] = i == CLINT_ALARM_INTERVAL && hart->interval ? hart->time[i] + hart->interval : 0;
        if (hart->callback[i]) {
            hart->callback[i](hart->ctx[i]);
        }
    }
    arm(hart);
}

int clint_timer_init(void) {
    return clint_timer_stop();
}

int clint_timer_start(uint64_t interval, int single_shot) {
    if (interval == 0) {
        return -1;
    }
    uint64_t ticks = interval * (sysctl_cpu_get_freq() / 1000) / CLINT_CLOCK_DIV;
    harts[current_coreid()].interval = single_shot ? 0 : ticks;
    clint_alarm_set(CLINT_ALARM_INTERVAL, clint_get_time() + ticks);
    return 0;
}

int clint_timer_stop(void) {
    clint_alarm_set(CLINT_ALARM_INTERVAL, CLINT_NEVER);
    return 0;
}

int clint_timer_register(clint_timer_callback_t callback, void *ctx) {
    clint_alarm_register(CLINT_ALARM_INTERVAL, callback, ctx);
    return 0;
}

int clint_timer_unregister(void) {
    return clint_timer_register(NULL, NULL);
}

int clint_ipi_init(void) {
    clint_ipi_disable();
    return clint_ipi_clear(current_coreid());
}

int clint_ipi_enable(void) {
    set_csr(mie, MIP_MSIP);
    return 0;
}

int clint_ipi_disable(void) {
    clear_csr(mie, MIP_MSIP);
    return 0;
}

int clint_ipi_send(size_t core_id) {
    if (core_id >= PLATFORM_NUM_CORES) {
        return -1;
    }
    clint->msip[core_id] = 1;
    return 0;
}

int clint_ipi_clear(size_t core_id) {
    if (core_id >= PLATFORM_NUM_CORES) {
        return -1;
    }
    clint->msip[core_id] = 0;
    return 0;
}

int clint_ipi_register(clint_ipi_callback_t callback, void *ctx) {
    hart_clint_t *hart = &harts[current_coreid()];
    hart->ipi_ctx = ctx;
    hart->ipi_callback = callback;
    return 0;
}

int clint_ipi_unregister(void) {
    return clint_ipi_register(NULL, NULL);
}

void clint_ipi_interrupt(void) {
    hart_clint_t *hart = &harts[current_coreid()];
    clint_ipi_clear(current_coreid());
    if (hart->ipi_callback) {
        hart->ipi_callback(hart->ipi_ctx);
    }
}
