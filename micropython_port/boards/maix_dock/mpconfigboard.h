// Sipeed Maix Dock.
#define MICROPY_HW_BOARD_NAME "Sipeed Maix Dock"
