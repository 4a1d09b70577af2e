// Sipeed Maix Bit.
#define MICROPY_HW_BOARD_NAME "Sipeed Maix Bit"
