// GPIO: eight pins on the APB bus with one interrupt between them.
// Registers: Kendryte standalone SDK, gpio.h; the block is a DesignWare APB GPIO (Linux,
// drivers/gpio/gpio-dwapb.c).
#ifndef K210_GPIO_H
#define K210_GPIO_H

#include <stdint.h>

#include "gpio_common.h"
#include "platform.h"

#define GPIO_NUM_PINS (8)

// One bit a pin.
typedef struct {
    uint32_t data_output; // 0x00
    uint32_t direction; // 0x04, 1: output
    uint32_t source; // 0x08
    uint32_t reserved0[9];
    uint32_t interrupt_enable; // 0x30
    uint32_t interrupt_mask; // 0x34
    uint32_t interrupt_level; // 0x38, 1: edge
    uint32_t interrupt_polarity; // 0x3c, 1: rising or high
    uint32_t interrupt_status; // 0x40
    uint32_t interrupt_status_raw; // 0x44
    uint32_t interrupt_debounce; // 0x48
    uint32_t interrupt_clear; // 0x4c
    uint32_t data_input; // 0x50
    uint32_t reserved1[3];
    uint32_t sync_level; // 0x60
    uint32_t id_code; // 0x64
    uint32_t interrupt_bothedge; // 0x68
} gpio_t;

#define gpio ((volatile gpio_t *)GPIO_BASE_ADDR)

// Clock on. Returns 0.
int gpio_init(void);

// Direction of a pin (0 to 7), and the pull of the pad that carries it; outputs have no pull.
void gpio_set_drive_mode(uint8_t pin, gpio_drive_mode_t mode);

// An input's level, or what an output was set to.
gpio_pin_value_t gpio_get_pin(uint8_t pin);

// The level of an output; that of an input is kept for when it becomes one.
void gpio_set_pin(uint8_t pin, gpio_pin_value_t value);

#endif // K210_GPIO_H
