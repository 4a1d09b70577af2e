#include "bsp.h"
#include "fpioa.h"
#include "gpiohs.h"

_Static_assert(offsetof(gpiohs_t, output_xor) == 0x40, "output_xor");

static struct {
    void (*func)();
    plic_irq_callback_t callback;
    void *ctx;
} pins[GPIOHS_NUM_PINS];

// Callers hold interrupts off: handlers may change other pins of the same register.
static void put_bit(volatile uint32_t *reg, uint32_t bit, bool on) {
    *reg = on ? *reg | bit : *reg & ~bit;
}

void gpiohs_set_drive_mode(uint8_t pin, gpio_drive_mode_t mode) {
    if (pin >= GPIOHS_NUM_PINS) {
        return;
    }
    fpioa_set_io_pull(fpioa_get_io_by_function(FUNC_GPIOHS0 + pin),
        mode == GPIO_DM_INPUT_PULL_UP         ? FPIOA_PULL_UP
            : mode == GPIO_DM_INPUT_PULL_DOWN ? FPIOA_PULL_DOWN
                                              : FPIOA_PULL_NONE);
    uint64_t state = bsp_irq_save();
    put_bit(&gpiohs->input_en, 1u << pin, true);
    put_bit(&gpiohs->output_en, 1u << pin, mode == GPIO_DM_OUTPUT);
    bsp_irq_restore(state);
}

gpio_pin_value_t gpiohs_get_pin(uint8_t pin) {
    return pin < GPIOHS_NUM_PINS ? gpiohs->input_val >> pin & 1 : GPIO_PV_LOW;
}

void gpiohs_set_pin(uint8_t pin, gpio_pin_value_t value) {
    if (pin < GPIOHS_NUM_PINS) {
        uint64_t state = bsp_irq_save();
        put_bit(&gpiohs->output_val, 1u << pin, value != GPIO_PV_LOW);
        bsp_irq_restore(state);
    }
}

static void clear_edges(uint32_t bit) {
    gpiohs->rise_ip = bit;
    gpiohs->fall_ip = bit;
}

static void clear_levels(uint32_t bit) {
    gpiohs->high_ip = bit;
    gpiohs->low_ip = bit;
}

void gpiohs_set_pin_edge(uint8_t pin, gpio_pin_edge_t edge) {
    if (pin >= GPIOHS_NUM_PINS) {
        return;
    }
    uint32_t bit = 1u << pin;
    uint64_t state = bsp_irq_save();
    // What is pending is cleared before it can interrupt.
    clear_edges(bit);
    clear_levels(bit);
    put_bit(&gpiohs->fall_ie, bit, edge & GPIO_PE_FALLING);
    put_bit(&gpiohs->rise_ie, bit, edge & GPIO_PE_RISING);
    put_bit(&gpiohs->low_ie, bit, edge & GPIO_PE_LOW);
    put_bit(&gpiohs->high_ie, bit, edge & GPIO_PE_HIGH);
    bsp_irq_restore(state);
}

static int handle(void *ctx) {
    unsigned pin = (unsigned)(uintptr_t)ctx;
    // An edge that comes while the callbacks run is not lost.
    clear_edges(1u << pin);
    if (pins[pin].func) {
        pins[pin].func();
    }
    if (pins[pin].callback) {
        pins[pin].callback(pins[pin].ctx);
    }
    // A level that they have ended was pending until here.
    clear_levels(1u << pin);
    return 0;
}

static void enable(unsigned pin, uint32_t priority) {
    plic_irq_t irq = IRQN_GPIOHS0_INTERRUPT + pin;
    plic_set_priority(irq, priority);
    plic_irq_register(irq, handle, (void *)(uintptr_t)pin);
    plic_irq_enable(irq);
}

void gpiohs_set_irq(uint8_t pin, uint32_t priority, void (*func)()) {
    if (pin < GPIOHS_NUM_PINS) {
        pins[pin].func = func;
        enable(pin, priority);
    }
}

void gpiohs_irq_register(uint8_t pin, uint32_t priority, plic_irq_callback_t callback, void *ctx) {
    if (pin < GPIOHS_NUM_PINS) {
        uint64_t state = bsp_irq_save();
        pins[pin].callback = callback;
        pins[pin].ctx = ctx;
        bsp_irq_restore(state);
        enable(pin, priority);
    }
}

void gpiohs_irq_unregister(uint8_t pin) {
    if (pin < GPIOHS_NUM_PINS) {
        gpiohs_set_pin_edge(pin, GPIO_PE_NONE);
        plic_irq_disable(IRQN_GPIOHS0_INTERRUPT + pin);
        plic_irq_unregister(IRQN_GPIOHS0_INTERRUPT + pin);
        pins[pin].func = NULL;
        pins[pin].callback = NULL;
    }
}

void gpiohs_irq_disable(size_t pin) {
    if (pin < GPIOHS_NUM_PINS) {
        plic_irq_disable(IRQN_GPIOHS0_INTERRUPT + pin);
    }
}
