// SD cards in SPI mode: SD version 1 and 2, SDHC, SDXC.
// Protocol and times: SD Physical Layer Simplified Specification 6.00, chapters 4.12 (times), 5 (registers), 7 (SPI
// mode).
//
// The card is on SPI0 or SPI1, its chip select on a GPIOHS pin. Checksums are on: what card or driver
// received damaged is an error. One caller at a time and card.
#ifndef K210_SDCARD_H
#define K210_SDCARD_H

#include <stdbool.h>
#include <stdint.h>

#include "spi.h"

#define SD_BLOCK_SIZE (512)

// What every card bears, and what it has to be spoken to with at first.
#define SD_RATE (25000000)
#define SD_FIRST_RATE (400000)

typedef enum {
    SD_OK,
    SD_NO_CARD, // nothing answers
    SD_UNUSABLE, // an answer, but of no SD card, or of one that does not bear 3.3 V
    SD_TIMEOUT, // it answered once but took too long, as when it is pulled out
    SD_CRC, // damaged on the way
    SD_REFUSED, // the card reports an error
    SD_RANGE, // beyond its end
    SD_CHANGED, // it is not the card that sdcard_init() found
} sd_result_t;

typedef struct {
    spi_device_num_t spi; // SPI_DEVICE_0 or SPI_DEVICE_1
    uint8_t sck, mosi, miso, cs; // pads
    uint8_t cs_gpiohs; // GPIOHS pin (0 to 31) for the chip select
    uint32_t rate; // bits a second, at most; 0 for SD_RATE
} sdcard_config_t;

typedef struct {
    sdcard_config_t config;
    bool ready; // false after an error: the next access starts the card anew
    bool known; // cid is that of the card that was found
    bool high_capacity; // addressed by blocks
    uint32_t blocks; // of 512 bytes
    uint32_t rate; // bits a second
    uint8_t cid[16], csd[16];
} sdcard_t;

// Routes the pads and looks for a card, which takes some milliseconds when there is none.
sd_result_t sdcard_init(sdcard_t *card, const sdcard_config_t *config);

// Whether the card answers and is the one that was found; asks it.
sd_result_t sdcard_check(sdcard_t *card);

// `count` blocks from number `block` on.
sd_result_t sdcard_read(sdcard_t *card, uint32_t block, uint8_t *to, uint32_t count);
sd_result_t sdcard_write(sdcard_t *card, uint32_t block, const uint8_t *from, uint32_t count);

// A few words on what a result means.
const char *sdcard_result_text(sd_result_t result);

#endif // K210_SDCARD_H
