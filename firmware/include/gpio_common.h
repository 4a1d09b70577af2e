// What GPIO and GPIOHS have in common. Names: Kendryte standalone SDK, gpio_common.h.
#ifndef K210_GPIO_COMMON_H
#define K210_GPIO_COMMON_H

typedef enum {
    GPIO_DM_INPUT,
    GPIO_DM_INPUT_PULL_DOWN,
    GPIO_DM_INPUT_PULL_UP,
    GPIO_DM_OUTPUT,
} gpio_drive_mode_t;

// Bits; several may be set.
typedef enum {
    GPIO_PE_NONE = 0,
    GPIO_PE_FALLING = 1,
    GPIO_PE_RISING = 2,
    GPIO_PE_BOTH = 3,
    GPIO_PE_LOW = 4,
    GPIO_PE_HIGH = 8,
} gpio_pin_edge_t;

typedef enum {
    GPIO_PV_LOW,
    GPIO_PV_HIGH,
} gpio_pin_value_t;

#endif // K210_GPIO_COMMON_H
