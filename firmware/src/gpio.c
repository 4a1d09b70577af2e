#include <stddef.h>

#include "bsp.h"
#include "fpioa.h"
#include "gpio.h"
#include "sysctl.h"

_Static_assert(offsetof(gpio_t, interrupt_bothedge) == 0x68, "interrupt_bothedge");

// Interrupt handlers may change other pins of the same register.
static void put_bit(volatile uint32_t *reg, unsigned pin, bool on) {
    uint64_t state = bsp_irq_save();
    *reg = on ? *reg | 1u << pin : *reg & ~(1u << pin);
    bsp_irq_restore(state);
}

int gpio_init(void) {
    return sysctl_clock_enable(SYSCTL_CLOCK_GPIO);
}

void gpio_set_drive_mode(uint8_t pin, gpio_drive_mode_t mode) {
    if (pin >= GPIO_NUM_PINS) {
        return;
    }
    fpioa_set_io_pull(fpioa_get_io_by_function(FUNC_GPIO0 + pin),
        mode == GPIO_DM_INPUT_PULL_UP         ? FPIOA_PULL_UP
            : mode == GPIO_DM_INPUT_PULL_DOWN ? FPIOA_PULL_DOWN
                                              : FPIOA_PULL_NONE);
    put_bit(&gpio->direction, pin, mode == GPIO_DM_OUTPUT);
}

gpio_pin_value_t gpio_get_pin(uint8_t pin) {
    if (pin >= GPIO_NUM_PINS) {
        return GPIO_PV_LOW;
    }
    uint32_t output = gpio->direction;
    return ((gpio->data_input & ~output) | (gpio->data_output & output)) >> pin & 1;
}

void gpio_set_pin(uint8_t pin, gpio_pin_value_t value) {
    if (pin < GPIO_NUM_PINS) {
        put_bit(&gpio->data_output, pin, value != GPIO_PV_LOW);
    }
}
