// GPIOHS: 32 pins next to the processor, each with an interrupt of its own.
// Registers: Kendryte standalone SDK, gpiohs.h; the block is SiFive's (FE310-G000 manual, chapter "GPIO").
#ifndef K210_GPIOHS_H
#define K210_GPIOHS_H

#include <stddef.h>
#include <stdint.h>

#include "gpio_common.h"
#include "platform.h"
#include "plic.h"

#define GPIOHS_NUM_PINS (32)

// One bit a pin.
typedef struct {
    uint32_t input_val; // 0x00
    uint32_t input_en; // 0x04
    uint32_t output_en; // 0x08
    uint32_t output_val; // 0x0c
    uint32_t pullup_en; // 0x10, without effect: pulls are the FPIOA's
    uint32_t drive; // 0x14, likewise
    uint32_t rise_ie; // 0x18
    uint32_t rise_ip; // 0x1c, *_ip: 1 clears
    uint32_t fall_ie; // 0x20
    uint32_t fall_ip; // 0x24
    uint32_t high_ie; // 0x28
    uint32_t high_ip; // 0x2c
    uint32_t low_ie; // 0x30
    uint32_t low_ip; // 0x34
    uint32_t iof_en; // 0x38
    uint32_t iof_sel; // 0x3c
    uint32_t output_xor; // 0x40
} gpiohs_t;

#define gpiohs ((volatile gpiohs_t *)GPIOHS_BASE_ADDR)

// Direction of a pin (0 to 31), and the pull of the pad that carries it; outputs have no pull and can
// be read back.
void gpiohs_set_drive_mode(uint8_t pin, gpio_drive_mode_t mode);

// The level on the pad.
gpio_pin_value_t gpiohs_get_pin(uint8_t pin);
void gpiohs_set_pin(uint8_t pin, gpio_pin_value_t value);

// What interrupts: gpio_pin_edge_t's bits, or none. Edges seen earlier are forgotten. A level asks for as
// long as it lasts: its callback has to end it, or take it back with GPIO_PE_NONE.
void gpiohs_set_pin_edge(uint8_t pin, gpio_pin_edge_t edge);

// Calls `func` or `callback(ctx)` at each interrupt of the pin, on the calling hart.
void gpiohs_set_irq(uint8_t pin, uint32_t priority, void (*func)());
void gpiohs_irq_register(uint8_t pin, uint32_t priority, plic_irq_callback_t callback, void *ctx);

// No more interrupts from this pin; both callbacks are forgotten.
void gpiohs_irq_unregister(uint8_t pin);

// Holds the pin's interrupt back at the PLIC; gpiohs_irq_register() lets it through again.
void gpiohs_irq_disable(size_t pin);

#endif // K210_GPIOHS_H
