// The two wires of an I2C bus moved by hand, for what the I2C block cannot do: an address without data, and
// clocks for a target that holds the data line.
//
// While lines are taken, both pads carry one GPIOHS pin whose output is low; a wire goes low by its pad's output
// enable and is let go by taking that away (FPIOA, Kendryte standalone SDK, fpioa.h). Conditions and times: NXP
// UM10204, the I2C-bus specification, standard mode.
#ifndef K210_I2C_LINES_H
#define K210_I2C_LINES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int scl, sda; // pads
    uint32_t scl_before, sda_before; // their words in the FPIOA
    unsigned pin; // of GPIOHS
    uint32_t output_before; // its bit
    int other; // the pad that carried it, or -1
    uint32_t other_before;
    uint64_t quarter; // CPU cycles of a quarter of a clock period
} i2c_lines_t;

// Takes the pads that carry these functions; both wires are let go. False when none do, or when no GPIOHS pin is free.
bool i2c_lines_take(i2c_lines_t *lines, int scl_function, int sda_function);

// Gives the pads back to their functions.
void i2c_lines_give(const i2c_lines_t *lines);

// Whether both wires are high.
bool i2c_lines_are_free(const i2c_lines_t *lines);

// False when somebody holds the clock for more than 10 ms.
bool i2c_lines_start(const i2c_lines_t *lines);
bool i2c_lines_stop(const i2c_lines_t *lines);

// Sends a byte; `*acknowledged` tells the answer. False as above.
bool i2c_lines_write(const i2c_lines_t *lines, uint8_t byte, bool *acknowledged);

// At most nine clocks until the data line is high, then STOP. False when a wire stays low.
bool i2c_lines_recover(const i2c_lines_t *lines);

#endif // K210_I2C_LINES_H
