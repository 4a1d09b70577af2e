// What MicroPython's core and extmod ask of the hardware.
#ifndef K210_MPHALPORT_H
#define K210_MPHALPORT_H

#include "py/ringbuf.h"

#include "bsp.h"
#include "machine_pin.h"
#include "sysctl.h"

#define MICROPY_BEGIN_ATOMIC_SECTION() bsp_irq_save()
#define MICROPY_END_ATOMIC_SECTION(state) bsp_irq_restore(state)

// Soft timers run in the interrupt of the system alarm.
#define MICROPY_PY_PENDSV_ENTER uint64_t pendsv_state_ = bsp_irq_save()
#define MICROPY_PY_PENDSV_EXIT bsp_irq_restore(pendsv_state_)

#define MICROPY_INTERNAL_WFE(TIMEOUT_MS) mp_hal_wait_event(TIMEOUT_MS)

// Sleeps until an interrupt has been served since the last call, or so many milliseconds have passed
// (none: less than 0); other threads run meanwhile.
void mp_hal_wait_event(mp_int_t timeout_ms);

// What the console has received; extmod/modos.c puts in what a duplicate terminal has.
extern ringbuf_t stdin_ringbuf;

void mp_hal_set_interrupt_char(int c);

static inline mp_uint_t mp_hal_ticks_ms(void) {
    return sysctl_get_time_us() / 1000;
}

static inline mp_uint_t mp_hal_ticks_us(void) {
    return sysctl_get_time_us();
}

static inline mp_uint_t mp_hal_ticks_cpu(void) {
    return read_cycle();
}

static inline mp_uint_t mp_hal_get_cpu_freq(void) {
    return sysctl_cpu_get_freq();
}

// Spins; for times that are too short to sleep.
void mp_hal_delay_us_fast(mp_uint_t us);

#define mp_hal_quiet_timing_enter() MICROPY_BEGIN_ATOMIC_SECTION()
#define mp_hal_quiet_timing_exit(state) MICROPY_END_ATOMIC_SECTION(state)

#endif // K210_MPHALPORT_H
