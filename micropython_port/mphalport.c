// Time, waiting and soft timers.

#include "py/runtime.h"
#include "py/mphal.h"
#include "py/mpthread.h"
#include "shared/runtime/softtimer.h"
#include "shared/timeutils/timeutils.h"

#include "bsp.h"
#include "clint.h"
#include "mpthreadport.h"
#include "sysctl.h"

// Below this it takes longer to fall asleep and wake than to wait.
#define SPIN_US (20)

static uint64_t deadline_after_us(uint64_t us) {
    // One tick more, for the one that has begun.
    return clint_get_time() + sysctl_us_to_ticks(us) + 1;
}

// The scheduler runs one function at a time: there may be more to run already.
static bool may_sleep(void) {
    return MP_STATE_VM(sched_state) != MP_SCHED_PENDING;
}

void mp_hal_wait_event(mp_int_t timeout_ms) {
    static uint32_t seen;
    uint64_t deadline = timeout_ms < 0 ? CLINT_NEVER : deadline_after_us((uint64_t)timeout_ms * 1000);
    if (!may_sleep()) {
        return;
    }
    MP_THREAD_GIL_EXIT();
    mp_thread_wait(&seen, deadline);
    MP_THREAD_GIL_ENTER();
}

void mp_hal_delay_us_fast(mp_uint_t us) {
    uint64_t cycles = us * (sysctl_cpu_get_freq() / 1000000);
    for (uint64_t start = read_cycle(); read_cycle() - start < cycles;) {
    }
}

static void delay_until(uint64_t deadline) {
    for (;;) {
        mp_handle_pending(true);
        uint32_t seen = bsp_interrupts_served();
        if (clint_get_time() >= deadline) {
            break;
        }
        if (!may_sleep()) {
            continue;
        }
        MP_THREAD_GIL_EXIT();
        mp_thread_wait(&seen, deadline);
        MP_THREAD_GIL_ENTER();
    }
}

void mp_hal_delay_us(mp_uint_t us) {
    if (us < SPIN_US) {
        mp_hal_delay_us_fast(us);
    } else {
        delay_until(deadline_after_us(us));
    }
}

void mp_hal_delay_ms(mp_uint_t ms) {
    delay_until(deadline_after_us(ms * 1000));
}

uint32_t soft_timer_get_ms(void) {
    return (uint32_t)mp_hal_ticks_ms();
}

static int system_alarm(void *ctx) {
    (void)ctx;
    soft_timer_handler();
    return 0;
}

void soft_timer_schedule_at_ms(uint32_t ticks_ms) {
    int32_t wait = soft_timer_ticks_diff(ticks_ms, soft_timer_get_ms());
    // The counter turns over within the millisecond that has begun.
    uint64_t into = sysctl_get_time_us() % 1000;
    uint64_t us = wait > 0 ? (uint64_t)wait * 1000 - into : 0;
    clint_alarm_set(CLINT_ALARM_SYSTEM, deadline_after_us(us));
}

void soft_timer_init(void) {
    clint_alarm_register(CLINT_ALARM_SYSTEM, system_alarm, NULL);
}
