// An SD card in SPI mode on SPI1: pads 27 (clock), 28 (MOSI), 26 (MISO), 29 (select, GPIOHS 7).
// Expectations: SD physical layer simplified specification 6.00, chapter 7. The test makes the card
// from a folder with one file.

#include <string.h>

#include "check.h"
#include "chip.h"
#include "fpioa.h"

#define BUS SPI(1)

static uint8_t exchange(uint8_t out) {
    R32(BUS, 0x60) = out;
    while (!R32(BUS, 0x24)) {
    }
    return (uint8_t)R32(BUS, 0x60);
}

static void select(bool on) {
    R32(GPIOHS, 0x0c) = on ? 0 : 1u << 7;
    exchange(0xff);
}

static uint8_t crc7(const uint8_t *bytes, unsigned count) {
    uint8_t crc = 0;
    for (unsigned i = 0; i < count; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bool one = (bytes[i] >> (7 - bit) & 1) != (crc >> 6);
            crc = (uint8_t)((crc << 1 & 0x7f) ^ (one ? 0x09 : 0));
        }
    }
    return crc;
}

static uint8_t command(uint8_t number, uint32_t argument) {
    uint8_t frame[6] = {0x40 | number, (uint8_t)(argument >> 24), (uint8_t)(argument >> 16), (uint8_t)(argument >> 8),
        (uint8_t)argument};
    frame[5] = (uint8_t)(crc7(frame, 5) << 1 | 1);
    for (unsigned i = 0; i < 6; i++) {
        exchange(frame[i]);
    }
    uint8_t answer = 0xff;
    for (unsigned i = 0; i < 10 && answer & 0x80; i++) {
        answer = exchange(0xff);
    }
    return answer;
}

static uint8_t wait_token(void) {
    for (unsigned i = 0; i < 100000; i++) {
        uint8_t byte = exchange(0xff);
        if (byte != 0xff) {
            return byte;
        }
    }
    return 0xff;
}

static uint32_t per_block;

static bool read_block(uint32_t number, uint8_t *to) {
    select(true);
    bool good = command(17, number * per_block) == 0 && wait_token() == 0xfe;
    for (unsigned i = 0; i < 512 && good; i++) {
        to[i] = exchange(0xff);
    }
    exchange(0xff);
    exchange(0xff);
    select(false);
    return good;
}

static bool write_block(uint32_t number, const uint8_t *from) {
    select(true);
    bool good = command(24, number * per_block) == 0;
    exchange(0xff);
    exchange(0xfe);
    for (unsigned i = 0; i < 512 && good; i++) {
        exchange(from[i]);
    }
    exchange(0xff);
    exchange(0xff);
    good = good && (exchange(0xff) & 0x1f) == 5;
    unsigned busy = 0;
    while (exchange(0xff) != 0xff && busy < 1000000) {
        busy++;
    }
    select(false);
    return good && busy < 1000000;
}

static uint8_t block[512], other[512];

static uint32_t little(const uint8_t *bytes, unsigned count) {
    uint32_t value = 0;
    while (count--) {
        value = value << 8 | bytes[count];
    }
    return value;
}

int main(void) {
    checks_begin();
    fpioa_set_function(27, FUNC_SPI1_SCLK);
    fpioa_set_function(28, FUNC_SPI1_D0);
    fpioa_set_function(26, FUNC_SPI1_D1);
    fpioa_set_function(29, FUNC_GPIOHS0 + 7);
    fpioa->io[26] |= FPIOA_PU;
    R32(GPIOHS, 0x08) = 1u << 7;
    R32(GPIOHS, 0x0c) = 1u << 7;
    R32(BUS, 0x08) = 0;
    R32(BUS, 0x00) = 7 << 16; // 8 bits, full duplex, mode 0
    R32(BUS, 0x14) = 400; // slow at first
    R32(BUS, 0x10) = 1;
    R32(BUS, 0x08) = 1;
    for (unsigned i = 0; i < 10; i++) {
        exchange(0xff);
    }
    select(true);
    check("CMD0", command(0, 0), 1);
    check("CMD8", command(8, 0x1aa), 1);
    uint32_t echo = 0;
    for (unsigned i = 0; i < 4; i++) {
        echo = echo << 8 | exchange(0xff);
    }
    check("  echoes", echo & 0xfff, 0x1aa);
    unsigned tries = 0;
    uint8_t answer;
    do {
        command(55, 0);
        answer = command(41, 0x40000000);
    } while (answer == 1 && ++tries < 10000);
    check("ACMD41", answer, 0);
    check("CMD58", command(58, 0), 0);
    uint8_t ccs = exchange(0xff);
    exchange(0xff);
    exchange(0xff);
    exchange(0xff);
    check("  powered up", ccs >> 7, 1);
    per_block = ccs & 0x40 ? 1 : 512;
    select(false);
    R32(BUS, 0x08) = 0;
    R32(BUS, 0x14) = 20;
    R32(BUS, 0x08) = 1;

    check("CMD17", read_block(0, block), 1);
    check("boot sector", block[510] << 8 | block[511], 0x55aa);
    uint32_t base = 0;
    if (block[0] != 0xeb && block[0] != 0xe9) { // a partition table
        base = little(block + 0x1c6, 4);
        check("first partition", read_block(base, block), 1);
    }
    // Behind the file allocation tables come the root directory and the file.
    uint32_t fat = little(block + 22, 2) ? little(block + 22, 2) : little(block + 36, 4);
    uint32_t number = base + little(block + 14, 2) + block[16] * fat, end = number + 300, found = 0;
    for (; number < end && !found; number++) {
        if (read_block(number, block) && memcmp(block, "Greetings from the card", 23) == 0) {
            found = number;
        }
    }
    check("the file's text is on the card", found != 0, 1);
    for (unsigned i = 0; i < 512; i++) {
        other[i] = (uint8_t)(i * 3);
    }
    memcpy(other, "Written by the guest", 20);
    check("CMD24", write_block(found, other), 1);
    memset(block, 0, sizeof(block));
    check("read back", read_block(found, block), 1);
    check("what was written", memcmp(block, other, 512), 0);
    checks_done();
}
