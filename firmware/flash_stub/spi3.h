// SPI3 towards the flash chip: short commands polled, long reads by DMA.
#ifndef STUB_SPI3_H
#define STUB_SPI3_H

#include <stdbool.h>
#include <stdint.h>

void spi3_init(void);

// Full speed, or a quarter of it.
void spi3_set_slow(bool slow);

// Sends a command of `length` bytes and takes the answer, at most 31 bytes each; on one line.
void spi3_command(const uint8_t *command, uint32_t length, uint8_t *answer, uint32_t answer_length);

// Reads from `address` on four lines or one. As chip_read().
bool spi3_read(uint32_t address, uint8_t *to, uint32_t length, bool quad);

// Sends page program with a page of data; on one line, since the chip takes twenty times as long as that anyway.
void spi3_program(uint32_t address, const uint8_t *page);

#endif // STUB_SPI3_H
