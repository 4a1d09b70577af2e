// Class k210.Flash, and what else needs the flash chip.
#ifndef K210_K210_FLASH_H
#define K210_K210_FLASH_H

#include "py/obj.h"

#include "w25qxx.h"

// Where the file system /flash is.
#ifndef MICROPY_HW_FLASH_FS_START
#define MICROPY_HW_FLASH_FS_START (0x200000)
#define MICROPY_HW_FLASH_FS_SIZE (0x100000)
#endif

extern const mp_obj_type_t k210_flash_type;

// Finds the chip when that has not been done. Raises OSError(ENODEV) when none answers.
void k210_flash_start(void);

// OSError(number, text).
NORETURN void k210_raise_os_error(int number, const char *text);

#endif // K210_K210_FLASH_H
