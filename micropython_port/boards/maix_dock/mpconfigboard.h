// Sipeed Maix Dock.
#define MICROPY_HW_BOARD_NAME "Sipeed Maix Dock"
#define MICROPY_HW_I2C0_SCL (9)
#define MICROPY_HW_I2C0_SDA (10)
