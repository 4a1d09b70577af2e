// What extmod/machine_bitstream.c asks for: pulses timed by the cycle counter, with interrupts off.

#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"

#include "gpiohs.h"
#include "machine_pin.h"

static inline void wait_until(uint64_t cycle) {
    while (read_cycle() < cycle) {
    }
}

void machine_bitstream_high_low(mp_hal_pin_obj_t pin, uint32_t *timing_ns, const uint8_t *buf, size_t len) {
    // As cycles: {high, whole period} of a 0, then of a 1.
    uint64_t cycles[4];
    uint64_t mhz = mp_hal_get_cpu_freq() / 1000000;
    for (unsigned i = 0; i < 4; i++) {
        cycles[i] = (timing_ns[i] * mhz + 500) / 1000 + (i % 2 ? cycles[i - 1] : 0);
    }
    mp_hal_pin_output(pin);
    unsigned channel = machine_pin_need_gpiohs(pin);
    mp_uint_t state = mp_hal_quiet_timing_enter();
    // Nobody else writes the register meanwhile, so it need not be read for each edge.
    uint32_t low = gpiohs->output_val & ~(1u << channel), high = low | 1u << channel;
    uint64_t next = read_cycle();
    for (size_t i = 0; i < len; i++) {
        for (unsigned mask = 0x80; mask; mask >>= 1) {
            const uint64_t *bit = &cycles[buf[i] & mask ? 2 : 0];
            wait_until(next);
            // From here, so that a late edge shortens nothing after it.
            uint64_t start = read_cycle();
            gpiohs->output_val = high;
            wait_until(start + bit[0]);
            gpiohs->output_val = low;
            next = start + bit[1];
        }
    }
    wait_until(next);
    mp_hal_quiet_timing_exit(state);
}
