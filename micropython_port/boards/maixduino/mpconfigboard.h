// Sipeed Maixduino.
#define MICROPY_HW_BOARD_NAME "Sipeed Maixduino"
#define MICROPY_HW_I2C0_SCL (30)
#define MICROPY_HW_I2C0_SDA (31)
