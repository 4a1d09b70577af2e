// Sipeed Maixduino.
#define MICROPY_HW_BOARD_NAME "Sipeed Maixduino"
