#include <string.h>

#include "bsp.h"
#include "fpioa.h"
#include "gpiohs.h"
#include "sdcard.h"
#include "sysctl.h"

// Commands; APPLICATION marks those that follow CMD55.
#define APPLICATION (0x80)
#define GO_IDLE_STATE (0)
#define SEND_IF_COND (8)
#define SEND_CSD (9)
#define SEND_CID (10)
#define STOP_TRANSMISSION (12)
#define SEND_STATUS (13)
#define SET_BLOCKLEN (16)
#define READ_SINGLE_BLOCK (17)
#define READ_MULTIPLE_BLOCK (18)
#define WRITE_BLOCK (24)
#define WRITE_MULTIPLE_BLOCK (25)
#define APP_CMD (55)
#define READ_OCR (58)
#define CRC_ON_OFF (59)
#define SET_WR_BLK_ERASE_COUNT (APPLICATION | 23)
#define SD_SEND_OP_COND (APPLICATION | 41)

#define R1_IDLE (0x01)
#define R1_ILLEGAL_COMMAND (0x04)
#define R1_CRC_ERROR (0x08)
#define R1_PARAMETER_ERROR (0x40)
#define R1_NOT_YET (0x80)

#define TOKEN_START (0xfe)
#define TOKEN_START_MULTIPLE (0xfc)
#define TOKEN_STOP (0xfd)
#define DATA_RESPONSE_MASK (0x1f)
#define DATA_ACCEPTED (0x05)
#define DATA_CRC_ERROR (0x0b)

#define VOLTAGE_AND_PATTERN (0x1aa) // 2.7 to 3.6 V
#define HIGH_CAPACITY (1u << 30)

// Clocks before the first command: 74 at least.
#define FIRST_BYTES (10)
#define TRIES (3)
#define RESPONSE_BYTES (10) // the answer begins within eight
// To get a card out of what a program that was cut short had begun: a block and what belongs to it.
#define FLUSH_BYTES (520)

// The longest times of the specification, doubled.
#define INIT_LIMIT_US (2000000)
#define READ_LIMIT_US (200000)
#define WRITE_LIMIT_US (1000000)
#define FLUSH_LIMIT_US (1000)
// Polls in a row before sleeping between them.
#define QUICK_POLLS (50)
#define POLL_US (50)

// No pad carries this select; the card's is a GPIO.
#define NO_SELECT SPI_CHIP_SELECT_3

static uint8_t crc7(const uint8_t *bytes, size_t count) {
    uint8_t crc = 0;
    while (count--) {
        crc ^= *bytes++;
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (uint8_t)(crc << 1 ^ (crc & 0x80 ? 0x12 : 0));
        }
    }
    return crc | 1;
}

// x^16 + x^12 + x^5 + 1. crc_after[n][b] is what the byte b does to the sum of n more bytes of zeros.
static uint16_t crc_after[4][256];

static void make_crc_tables(void) {
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t x = byte ^ byte >> 4;
        crc_after[0][byte] = (uint16_t)(x << 12 ^ x << 5 ^ x);
    }
    for (unsigned n = 1; n < 4; n++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            uint16_t crc = crc_after[n - 1][byte];
            crc_after[n][byte] = (uint16_t)(crc << 8 ^ crc_after[0][crc >> 8]);
        }
    }
}

// Four bytes at a step.
static uint16_t crc16(const uint8_t *bytes, size_t count) {
    uint32_t crc = 0;
    for (; count >= 4; count -= 4, bytes += 4) {
        crc = crc_after[3][crc >> 8 ^ bytes[0]] ^ crc_after[2][(crc & 0xff) ^ bytes[1]] ^ crc_after[1][bytes[2]]
            ^ crc_after[0][bytes[3]];
    }
    while (count--) {
        crc = (crc << 8 & 0xffff) ^ crc_after[0][crc >> 8 ^ *bytes++];
    }
    return (uint16_t)crc;
}

// Bytes on the bus.

static void set_frames(const sdcard_t *card, unsigned bits) {
    spi_init(card->config.spi, SPI_WORK_MODE_0, SPI_FF_STANDARD, bits, 0);
}

static void set_up(const sdcard_t *card, uint32_t rate) {
    set_frames(card, 8);
    spi_set_clk_rate(card->config.spi, rate);
}

static bool put(const sdcard_t *card, const uint8_t *bytes, size_t count) {
    return spi_send_data_standard(card->config.spi, NO_SELECT, NULL, 0, bytes, count);
}

static uint8_t get(const sdcard_t *card) {
    uint8_t byte = 0xff;
    spi_exchange_byte(card->config.spi, NO_SELECT, 0xff, &byte);
    return byte;
}

static void put_ones(const sdcard_t *card, size_t count) {
    uint8_t ones[16];
    memset(ones, 0xff, sizeof(ones));
    for (size_t part; count; count -= part) {
        part = count < sizeof(ones) ? count : sizeof(ones);
        put(card, ones, part);
    }
}

static void select(const sdcard_t *card, uint32_t rate) {
    set_up(card, rate);
    gpiohs_set_pin(card->config.cs_gpiohs, GPIO_PV_LOW);
}

// The card lets go of the line with the clock after its deselection.
static void deselect(const sdcard_t *card) {
    gpiohs_set_pin(card->config.cs_gpiohs, GPIO_PV_HIGH);
    put_ones(card, 1);
}

// Until a byte has come that is (or is not) `byte`; what came, or 0xff or 0 when it took too long.
static uint8_t await(const sdcard_t *card, uint8_t byte, bool wanted, uint32_t limit_us, bool *in_time) {
    uint64_t start = sysctl_get_time_us();
    for (unsigned polls = 0;; polls++) {
        uint8_t got = get(card);
        *in_time = (got == byte) == wanted;
        if (*in_time || sysctl_get_time_us() - start > limit_us) {
            return got;
        }
        if (polls >= QUICK_POLLS) {
            bsp_sleep_us(POLL_US);
        }
    }
}

static sd_result_t await_ready(const sdcard_t *card, uint32_t limit_us) {
    bool in_time;
    await(card, 0xff, true, limit_us, &in_time);
    return in_time ? SD_OK : SD_TIMEOUT;
}

// Commands.

static uint8_t command(const sdcard_t *card, uint8_t number, uint32_t argument) {
    if (number & APPLICATION) {
        uint8_t answer = command(card, APP_CMD, 0);
        if (answer & ~R1_IDLE) {
            return answer;
        }
    }
    // A gap of a byte before it, which cards want after a transfer.
    uint8_t frame[7] = {0xff, 0x40 | (number & 0x3f), (uint8_t)(argument >> 24), (uint8_t)(argument >> 16),
        (uint8_t)(argument >> 8), (uint8_t)argument};
    frame[6] = crc7(frame + 1, 5);
    put(card, frame, sizeof(frame));
    if (number == STOP_TRANSMISSION) {
        get(card); // of the block that is cut off
    }
    uint8_t answer = R1_NOT_YET;
    for (unsigned i = 0; i < RESPONSE_BYTES && answer & R1_NOT_YET; i++) {
        answer = get(card);
    }
    return answer;
}

static uint32_t get_word(const sdcard_t *card) {
    uint32_t word = 0;
    for (unsigned i = 0; i < 4; i++) {
        word = word << 8 | get(card);
    }
    return word;
}

static sd_result_t result_of(uint8_t answer) {
    return answer == 0                ? SD_OK
        : answer & R1_NOT_YET         ? SD_TIMEOUT
        : answer & R1_CRC_ERROR       ? SD_CRC
        : answer & R1_PARAMETER_ERROR ? SD_RANGE
                                      : SD_REFUSED;
}

// A data block from the card.
static sd_result_t get_block(const sdcard_t *card, uint8_t *to, size_t length) {
    bool in_time;
    uint8_t token = await(card, 0xff, false, READ_LIMIT_US, &in_time);
    if (token != TOKEN_START) {
        // Anything else that comes is an error token: bit 3 says "out of range".
        return !in_time ? SD_TIMEOUT : token & 0x08 ? SD_RANGE : SD_REFUSED;
    }
    set_frames(card, 32);
    bool good = spi_receive_bytes(card->config.spi, NO_SELECT, NULL, 0, to, length);
    set_frames(card, 8);
    uint16_t crc = (uint16_t)(get(card) << 8);
    crc |= get(card);
    return !good ? SD_TIMEOUT : crc == crc16(to, length) ? SD_OK : SD_CRC;
}

static sd_result_t put_block(const sdcard_t *card, uint8_t token, const uint8_t *from) {
    uint16_t crc = crc16(from, SD_BLOCK_SIZE);
    const uint8_t before[] = {0xff, token}, after[] = {(uint8_t)(crc >> 8), (uint8_t)crc};
    put(card, before, sizeof(before));
    set_frames(card, 32);
    bool good = spi_send_bytes(card->config.spi, NO_SELECT, NULL, 0, from, SD_BLOCK_SIZE);
    set_frames(card, 8);
    put(card, after, sizeof(after));
    uint8_t response = get(card) & DATA_RESPONSE_MASK;
    sd_result_t ready = await_ready(card, WRITE_LIMIT_US);
    if (!good || ready != SD_OK || response == DATA_RESPONSE_MASK) {
        return SD_TIMEOUT;
    }
    return response == DATA_ACCEPTED ? SD_OK : response == DATA_CRC_ERROR ? SD_CRC : SD_REFUSED;
}

// Start-up.

static bool go_idle(const sdcard_t *card) {
    for (unsigned i = 0; i < TRIES; i++) {
        select(card, SD_FIRST_RATE);
        uint8_t answer = command(card, GO_IDLE_STATE, 0);
        deselect(card);
        if (answer == R1_IDLE) {
            return true;
        }
    }
    return false;
}

// A card that was left in the middle of a transfer takes or gives the rest of it, then the stop token.
static void flush(const sdcard_t *card) {
    select(card, card->rate);
    put_ones(card, FLUSH_BYTES);
    const uint8_t stop[] = {TOKEN_STOP, 0xff};
    put(card, stop, sizeof(stop));
    await_ready(card, FLUSH_LIMIT_US);
    command(card, STOP_TRANSMISSION, 0);
    await_ready(card, FLUSH_LIMIT_US);
    deselect(card);
}

static sd_result_t wake(const sdcard_t *card, bool version2) {
    uint64_t start = sysctl_get_time_us();
    for (;;) {
        uint8_t answer = command(card, SD_SEND_OP_COND, version2 ? HIGH_CAPACITY : 0);
        if (answer == 0) {
            return SD_OK;
        }
        if (answer & ~R1_IDLE) {
            return answer & R1_ILLEGAL_COMMAND ? SD_UNUSABLE : result_of(answer & ~R1_IDLE);
        }
        if (sysctl_get_time_us() - start > INIT_LIMIT_US) {
            return SD_TIMEOUT;
        }
        bsp_sleep_us(POLL_US);
    }
}

static uint32_t bits(const uint8_t *reg, unsigned high, unsigned low) {
    uint32_t value = 0;
    for (unsigned bit = high + 1; bit-- > low;) {
        value = value << 1 | (reg[15 - bit / 8] >> bit % 8 & 1);
    }
    return value;
}

static uint32_t capacity(const uint8_t *csd) {
    if (bits(csd, 127, 126) == 0) { // (C_SIZE + 1) * 2^(C_SIZE_MULT + 2) blocks of 2^READ_BL_LEN bytes
        return (bits(csd, 73, 62) + 1) << (bits(csd, 49, 47) + 2 + bits(csd, 83, 80) - 9);
    }
    return (bits(csd, 69, 48) + 1) << 10; // in units of 512 KiB
}

static sd_result_t get_register(const sdcard_t *card, uint8_t number, uint8_t *to) {
    sd_result_t result = result_of(command(card, number, 0));
    return result == SD_OK ? get_block(card, to, 16) : result;
}

static sd_result_t identify(sdcard_t *card, bool *version2) {
    uint8_t answer = command(card, SEND_IF_COND, VOLTAGE_AND_PATTERN);
    *version2 = !(answer & R1_ILLEGAL_COMMAND);
    if (answer & R1_NOT_YET) {
        return SD_TIMEOUT;
    }
    if (*version2 && (get_word(card) & 0xfff) != VOLTAGE_AND_PATTERN) {
        return SD_UNUSABLE;
    }
    sd_result_t result = result_of(command(card, CRC_ON_OFF, 1) & ~R1_IDLE);
    if (result == SD_OK) {
        result = wake(card, *version2);
    }
    if (result == SD_OK) {
        result = result_of(command(card, READ_OCR, 0));
    }
    if (result == SD_OK) {
        card->high_capacity = get_word(card) & HIGH_CAPACITY && *version2;
    }
    return result;
}

static sd_result_t start(sdcard_t *card) {
    uint8_t cid[16];
    bool version2;
    uint32_t rate = card->config.rate ? card->config.rate : SD_RATE;
    card->rate = rate;
    set_up(card, SD_FIRST_RATE);
    gpiohs_set_pin(card->config.cs_gpiohs, GPIO_PV_HIGH);
    put_ones(card, FIRST_BYTES);
    if (!go_idle(card)) {
        flush(card);
        if (!go_idle(card)) {
            return SD_NO_CARD;
        }
    }
    select(card, SD_FIRST_RATE);
    card->rate = SD_FIRST_RATE;
    sd_result_t result = identify(card, &version2);
    if (result == SD_OK) {
        card->rate = rate;
        set_up(card, rate);
        result = get_register(card, SEND_CSD, card->csd);
    }
    if (result == SD_OK) {
        result = get_register(card, SEND_CID, cid);
    }
    if (result == SD_OK && !card->high_capacity) {
        result = result_of(command(card, SET_BLOCKLEN, SD_BLOCK_SIZE));
    }
    deselect(card);
    if (result != SD_OK) {
        return result;
    }
    if (card->known && memcmp(cid, card->cid, sizeof(cid)) != 0) {
        return SD_CHANGED;
    }
    memcpy(card->cid, cid, sizeof(cid));
    card->blocks = capacity(card->csd);
    card->known = card->ready = true;
    return SD_OK;
}

sd_result_t sdcard_init(sdcard_t *card, const sdcard_config_t *config) {
    *card = (sdcard_t){.config = *config};
    make_crc_tables();
    unsigned d0 = config->spi == SPI_DEVICE_0 ? FUNC_SPI0_D0 : FUNC_SPI1_D0;
    unsigned clock = config->spi == SPI_DEVICE_0 ? FUNC_SPI0_SCLK : FUNC_SPI1_SCLK;
    gpiohs_set_pin(config->cs_gpiohs, GPIO_PV_HIGH);
    fpioa_set_function(config->cs, FUNC_GPIOHS0 + config->cs_gpiohs);
    gpiohs_set_drive_mode(config->cs_gpiohs, GPIO_DM_OUTPUT);
    fpioa_set_function(config->sck, clock);
    fpioa_set_function(config->mosi, d0);
    fpioa_set_function(config->miso, d0 + 1);
    fpioa_set_io_pull(config->miso, FPIOA_PULL_UP); // an empty socket reads as ones
    return start(card);
}

// After an error the card is started anew, but another card is not taken for the one that was there.
static sd_result_t make_ready(sdcard_t *card) {
    return card->ready ? SD_OK : start(card);
}

static sd_result_t done(sdcard_t *card, sd_result_t result) {
    deselect(card);
    if (result != SD_OK && result != SD_RANGE) {
        card->ready = false;
    }
    return result;
}

static sd_result_t ask_status(const sdcard_t *card) {
    sd_result_t result = result_of(command(card, SEND_STATUS, 0));
    uint8_t more = get(card);
    return result == SD_OK && more != 0 ? SD_REFUSED : result;
}

sd_result_t sdcard_check(sdcard_t *card) {
    if (!card->ready) {
        return start(card);
    }
    select(card, card->rate);
    return done(card, ask_status(card));
}

static bool is_inside(const sdcard_t *card, uint32_t block, uint32_t count) {
    return block <= card->blocks && count <= card->blocks - block;
}

static uint32_t address(const sdcard_t *card, uint32_t block) {
    return card->high_capacity ? block : block * SD_BLOCK_SIZE;
}

sd_result_t sdcard_read(sdcard_t *card, uint32_t block, uint8_t *to, uint32_t count) {
    sd_result_t result = make_ready(card);
    if (result != SD_OK || count == 0) {
        return result;
    }
    if (!is_inside(card, block, count)) {
        return SD_RANGE;
    }
    select(card, card->rate);
    result = result_of(command(card, count == 1 ? READ_SINGLE_BLOCK : READ_MULTIPLE_BLOCK, address(card, block)));
    bool started = result == SD_OK;
    for (uint32_t i = 0; i < count && result == SD_OK; i++) {
        result = get_block(card, to + (size_t)i * SD_BLOCK_SIZE, SD_BLOCK_SIZE);
    }
    if (started && count > 1) {
        command(card, STOP_TRANSMISSION, 0);
        sd_result_t ready = await_ready(card, READ_LIMIT_US);
        result = result == SD_OK ? ready : result;
    }
    return done(card, result);
}

sd_result_t sdcard_write(sdcard_t *card, uint32_t block, const uint8_t *from, uint32_t count) {
    sd_result_t result = make_ready(card);
    if (result != SD_OK || count == 0) {
        return result;
    }
    if (!is_inside(card, block, count)) {
        return SD_RANGE;
    }
    bool multiple = count > 1;
    select(card, card->rate);
    if (multiple) {
        command(card, SET_WR_BLK_ERASE_COUNT, count); // a hint: its refusal does not matter
    }
    result = result_of(command(card, multiple ? WRITE_MULTIPLE_BLOCK : WRITE_BLOCK, address(card, block)));
    bool started = result == SD_OK;
    for (uint32_t i = 0; i < count && result == SD_OK; i++) {
        uint8_t token = multiple ? TOKEN_START_MULTIPLE : TOKEN_START;
        result = put_block(card, token, from + (size_t)i * SD_BLOCK_SIZE);
    }
    if (started && multiple) {
        const uint8_t stop[] = {TOKEN_STOP, 0xff};
        put(card, stop, sizeof(stop));
        sd_result_t ready = await_ready(card, WRITE_LIMIT_US);
        result = result == SD_OK ? ready : result;
    }
    if (result == SD_OK) {
        result = ask_status(card);
    }
    return done(card, result);
}

const char *sdcard_result_text(sd_result_t result) {
    static const char *const texts[] = {
        [SD_OK] = "no error",
        [SD_NO_CARD] = "no SD card answers",
        [SD_UNUSABLE] = "not a usable SD card",
        [SD_TIMEOUT] = "the SD card took too long",
        [SD_CRC] = "SD card data damaged on the way",
        [SD_REFUSED] = "the SD card reports an error",
        [SD_RANGE] = "beyond the SD card's end",
        [SD_CHANGED] = "the SD card was changed",
    };
    return texts[result];
}
