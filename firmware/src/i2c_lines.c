#include "bsp.h"
#include "fpioa.h"
#include "gpiohs.h"
#include "i2c_lines.h"
#include "sysctl.h"

#define HERTZ (100000)
#define STRETCH_US (10000)

static void wait(uint64_t cycles) {
    for (uint64_t start = read_cycle(); read_cycle() - start < cycles;) {
    }
}

static void release(int pad) {
    fpioa->io[pad] &= ~FPIOA_OE_EN;
}

static void pull_low(int pad) {
    fpioa->io[pad] |= FPIOA_OE_EN;
}

static bool is_high(int pad) {
    return fpioa->io[pad] & FPIOA_PAD_DI;
}

// Lets the clock rise, and waits while somebody else holds it.
static bool clock_rises(const i2c_lines_t *lines) {
    release(lines->scl);
    uint64_t limit = lines->quarter * (4ull * HERTZ / 1000 * STRETCH_US / 1000);
    for (uint64_t start = read_cycle(); !is_high(lines->scl);) {
        if (read_cycle() - start > limit) {
            return false;
        }
        wait(lines->quarter);
    }
    wait(2 * lines->quarter);
    return true;
}

static void clock_falls(const i2c_lines_t *lines) {
    pull_low(lines->scl);
    wait(lines->quarter);
}

// One that is on in neither direction: after reset all pins have pads, so having one says nothing.
static int free_pin(void) {
    uint32_t used = gpiohs->output_en | gpiohs->input_en;
    int pin = GPIOHS_NUM_PINS - 1;
    while (pin >= 0 && used >> pin & 1) {
        pin--;
    }
    return pin;
}

static void change(volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    uint64_t before = bsp_irq_save();
    *reg = (*reg & ~mask) | value;
    bsp_irq_restore(before);
}

bool i2c_lines_take(i2c_lines_t *lines, int scl_function, int sda_function) {
    int pin = free_pin();
    lines->scl = fpioa_get_io_by_function(scl_function);
    lines->sda = fpioa_get_io_by_function(sda_function);
    if (pin < 0 || lines->scl < 0 || lines->sda < 0) {
        return false;
    }
    uint32_t bit = 1u << pin;
    lines->pin = (unsigned)pin;
    lines->output_before = gpiohs->output_val & bit;
    lines->other = fpioa_get_io_by_function(FUNC_GPIOHS0 + pin);
    if (lines->other >= 0) {
        lines->other_before = fpioa->io[lines->other];
        release(lines->other);
    }
    lines->scl_before = fpioa->io[lines->scl];
    lines->sda_before = fpioa->io[lines->sda];
    lines->quarter = sysctl_clock_get_freq(SYSCTL_CLOCK_CPU) / (4 * HERTZ);
    change(&gpiohs->output_val, bit, 0);
    change(&gpiohs->output_en, bit, bit);
    uint32_t word = FPIOA_CH_SEL(FUNC_GPIOHS0 + pin) | FPIOA_DRIVING(15) | FPIOA_IE_EN | FPIOA_ST;
    fpioa->io[lines->scl] = word | (lines->scl_before & FPIOA_PU);
    fpioa->io[lines->sda] = word | (lines->sda_before & FPIOA_PU);
    wait(4 * lines->quarter);
    return true;
}

void i2c_lines_give(const i2c_lines_t *lines) {
    uint32_t bit = 1u << lines->pin;
    fpioa->io[lines->scl] = lines->scl_before;
    fpioa->io[lines->sda] = lines->sda_before;
    change(&gpiohs->output_en, bit, 0);
    change(&gpiohs->output_val, bit, lines->output_before);
    if (lines->other >= 0) {
        fpioa->io[lines->other] = lines->other_before;
    }
}

bool i2c_lines_are_free(const i2c_lines_t *lines) {
    return is_high(lines->scl) && is_high(lines->sda);
}

bool i2c_lines_start(const i2c_lines_t *lines) {
    release(lines->sda);
    if (!clock_rises(lines)) {
        return false;
    }
    pull_low(lines->sda);
    wait(2 * lines->quarter);
    clock_falls(lines);
    return true;
}

bool i2c_lines_stop(const i2c_lines_t *lines) {
    pull_low(lines->sda);
    wait(lines->quarter);
    bool risen = clock_rises(lines);
    release(lines->sda);
    wait(2 * lines->quarter);
    return risen;
}

bool i2c_lines_write(const i2c_lines_t *lines, uint8_t byte, bool *acknowledged) {
    for (int bit = 7; bit >= -1; bit--) {
        // The ninth clock is the target's, who pulls the line low.
        if (bit < 0 || byte >> bit & 1) {
            release(lines->sda);
        } else {
            pull_low(lines->sda);
        }
        wait(lines->quarter);
        if (!clock_rises(lines)) {
            return false;
        }
        *acknowledged = !is_high(lines->sda);
        clock_falls(lines);
    }
    return true;
}

bool i2c_lines_recover(const i2c_lines_t *lines) {
    for (unsigned clocks = 0; clocks < 9 && !is_high(lines->sda); clocks++) {
        clock_falls(lines);
        wait(lines->quarter);
        if (!clock_rises(lines)) {
            return false;
        }
    }
    clock_falls(lines);
    return i2c_lines_stop(lines) && i2c_lines_are_free(lines);
}
