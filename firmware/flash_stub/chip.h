// The SPI NOR flash chip on SPI3, and writing and erasing with as little wear and time as possible.
//
// firmware/include/w25qxx.h has the commands and where they come from. That driver does not fit the size allowed here;
// this one differs in that it asks no chip for anything that is not common to the manufacturers seen on K210
// boards, and changes no status register for good.
#ifndef STUB_CHIP_H
#define STUB_CHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

#define PAGE (256)
#define SECTOR (4096)
#define BLOCK_32K (32768)
#define BLOCK (65536)

typedef struct {
    uint8_t id[3]; // JEDEC
    uint8_t status[3];
    uint32_t size; // 0: none answers
} chip_t;

extern chip_t chip;

// What erasing and writing did; `done` bytes are as they shall be, `at` is where it failed.
typedef struct {
    uint32_t sectors_erased, pages_programmed, done, at;
} chip_work_t;

// Called every few milliseconds at least while something takes long.
void still_working(void);

// Switches SPI3 on.
void chip_init(void);

// Finds the chip, ends whatever it was told to do before, reads its registers. STATUS_DONE, STATUS_NO_CHIP or
// STATUS_CHIP_SLOW.
status_t chip_find(void);

// Reads from any address inside the chip. `to` is a multiple of 8 and has room for `length` rounded up to 4.
// False when no data came.
bool chip_read(uint32_t address, uint8_t *to, uint32_t length);

// Makes `length` bytes at `address` (multiples of SECTOR, together in the chip, at most BLOCK) what `wanted` says,
// and reads them back to `present`.
status_t chip_write(uint32_t address, const uint8_t *wanted, uint8_t *present, uint32_t length, chip_work_t *work);

// The same with 0xff for all bytes; of any length. `scratch` has room for BLOCK.
status_t chip_erase(uint32_t address, uint32_t length, uint8_t *scratch, chip_work_t *work);
status_t chip_erase_all(uint8_t *scratch, chip_work_t *work);

#endif // STUB_CHIP_H
