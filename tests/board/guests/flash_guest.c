// The flash chip on SPI3: polled, DMA, quad, execute in place.
// Expectations: Winbond W25Q128JV datasheet; Kendryte standalone SDK, spi.h, spi.c. The test puts a
// pattern at 0x200000: byte i is (i * 5 + i / 256) & 255.

#include <string.h>

#include "check.h"
#include "chip.h"
#include "sysctl.h"

#define SPI3 SPI(3)
#define SECTOR (0x300000)

enum { TX_RX, TX, RX, EEPROM };

static void setup(unsigned lines, unsigned mode, unsigned bits) {
    R32(SPI3, 0x08) = 0;
    R32(SPI3, 0x14) = 8; // baud divider
    R32(SPI3, 0x00) = (bits - 1) | mode << 10 | lines << 22;
    R32(SPI3, 0x118) = 0;
    R32(SPI3, 0x4c) = 0;
}

static void wait_idle(void) {
    while ((R32(SPI3, 0x28) & 5) != 4) { // busy, or FIFO not empty
    }
    R32(SPI3, 0x10) = 0;
    R32(SPI3, 0x08) = 0;
}

static void command(const uint8_t *bytes, unsigned count) {
    setup(0, TX, 8);
    R32(SPI3, 0x08) = 1;
    unsigned i = 0;
    while (i < count && i < 32) {
        R32(SPI3, 0x60) = bytes[i++];
    }
    R32(SPI3, 0x10) = 1;
    while (i < count) {
        if (R32(SPI3, 0x28) & 2) {
            R32(SPI3, 0x60) = bytes[i++];
        }
    }
    wait_idle();
}

static void command1(uint8_t byte) {
    command(&byte, 1);
}

static void query(const uint8_t *bytes, unsigned count, uint8_t *answer, unsigned length) {
    setup(0, EEPROM, 8);
    R32(SPI3, 0x04) = length - 1;
    R32(SPI3, 0x08) = 1;
    for (unsigned i = 0; i < count; i++) {
        R32(SPI3, 0x60) = bytes[i];
    }
    R32(SPI3, 0x10) = 1;
    for (unsigned i = 0; i < length;) {
        if (R32(SPI3, 0x24)) {
            answer[i++] = (uint8_t)R32(SPI3, 0x60);
        }
    }
    wait_idle();
}

static uint8_t status(void) {
    uint8_t read = 0x05, value;
    query(&read, 1, &value, 1);
    return value;
}

static void read(uint32_t address, uint8_t *to, unsigned length) {
    uint8_t bytes[4] = {0x03, (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address};
    query(bytes, 4, to, length);
}

static bool pattern(const uint8_t *bytes, unsigned start, unsigned length) {
    for (unsigned i = start; i < start + length; i++) {
        if (bytes[i - start] != ((i * 5 + i / 256) & 255)) {
            return false;
        }
    }
    return true;
}

static uint8_t buffer[4096] __attribute__((aligned(64)));
static uint32_t words[1024] __attribute__((aligned(64)));

static void program_and_erase(void) {
    uint8_t erase[4] = {0x20, SECTOR >> 16, 0, 0};
    command1(0x06);
    check("write enable", status() & 3, 2);
    command(erase, 4);
    check("busy while erasing", status() & 1, 1);
    uint64_t start = read_csr(mcycle);
    while (status() & 1) {
    }
    check_range("a sector takes its time", (read_csr(mcycle) - start) / 390, 1000, 400000);
    read(SECTOR, buffer, 256);
    unsigned ones = 0;
    for (unsigned i = 0; i < 256; i++) {
        ones += buffer[i] == 0xff;
    }
    check("erased bytes are FF", ones, 256);

    static uint8_t page[4 + 256] = {0x02, SECTOR >> 16, 0, 0};
    for (unsigned i = 0; i < 256; i++) {
        page[4 + i] = (uint8_t)(i ^ 0x5a);
    }
    command(page, sizeof(page));
    read(SECTOR, buffer, 4);
    check("no programming without write enable", buffer[0], 0xff);
    command1(0x06);
    command(page, sizeof(page));
    while (status() & 1) {
    }
    read(SECTOR, buffer, 256);
    check("a page programmed", memcmp(buffer, page + 4, 256), 0);
    check("write enable is gone", status() & 2, 0);
    // Programming only clears bits, and wraps in its page.
    uint8_t more[6] = {0x02, SECTOR >> 16, 0, 0xff, 0x0f, 0xf0};
    command1(0x06);
    command(more, 6);
    while (status() & 1) {
    }
    read(SECTOR, buffer, 256);
    check("programming clears bits", buffer[255], (255 ^ 0x5a) & 0x0f);
    check("and wraps in the page", buffer[0], 0x5a & 0xf0);
}

static void dma(void) {
    // Four address frames out, then 256 bytes in; one channel each way as the SDK has it.
    static uint32_t out[4] = {0x03, 0x20, 0x00, 0x10};
    setup(0, EEPROM, 8);
    R32(SPI3, 0x04) = 256 - 1;
    R32(SPI3, 0x4c) = 3;
    R32(SPI3, 0x08) = 1;
    dma_start(1, DMA_FROM_DEVICE, DMA_SPI3_RX, SPI3 + 0x60, (uintptr_t)words, 2, 256);
    dma_start(0, DMA_TO_DEVICE, DMA_SPI3_TX, (uintptr_t)out, SPI3 + 0x60, 2, 4);
    R32(SPI3, 0x10) = 1;
    check("DMA ends", dma_wait(0) && dma_wait(1), 1);
    wait_idle();
    for (unsigned i = 0; i < 256; i++) {
        buffer[i] = (uint8_t)words[i];
    }
    check("DMA brings the bytes", pattern(buffer, 0x10, 256), 1);
}

// One instruction frame, one address frame, wait cycles, then data on `lines` (1: dual, 2: quad).
static void enhanced(const char *name, unsigned lines, uint8_t instruction, uint32_t address, unsigned type,
    unsigned address_bits, unsigned wait) {
    setup(lines, RX, 32);
    R32(SPI3, 0xf4) = wait << 11 | 2 << 8 | address_bits / 4 << 2 | type;
    R32(SPI3, 0x04) = 16 - 1;
    R32(SPI3, 0x08) = 1;
    R32(SPI3, 0x60) = instruction;
    R32(SPI3, 0x60) = address;
    R32(SPI3, 0x10) = 1;
    for (unsigned i = 0; i < 16;) {
        if (R32(SPI3, 0x24)) {
            words[i++] = __builtin_bswap32(R32(SPI3, 0x60));
        }
    }
    wait_idle();
    check(name, pattern((uint8_t *)words, address & 0xffff, 64), 1);
}

static void execute_in_place(void) {
    R32(SPI3, 0x08) = 0;
    R32(SPI3, 0x00) = 31 | 2u << 22;
    R32(SPI3, 0x100) = 0xeb; // fast read, quad in and out
    // quad; instruction on one line, the rest on four; 6 x 4 bits of address, 8-bit instruction, 8 mode bits, 4 waits
    R32(SPI3, 0x108) = 2 | 1 << 2 | 6 << 4 | 2 << 9 | 1 << 12 | 4 << 13 | 1 << 22 | 2u << 26;
    R32(SPI3, 0xfc) = 0xff;
    R32(SPI3, 0x10c) = 1;
    R32(SPI3, 0x118) = 1;
    R32(SPI3, 0x08) = 1;
    sysctl->peri |= 1u << 15;
    memcpy(buffer, (const void *)(SPI3 + 0x200000), 512);
    uint32_t word = R32(SPI3, 0x200400);
    uint8_t byte = *(volatile uint8_t *)(SPI3 + 0x200123);
    sysctl->peri &= ~(1u << 15);
    check("execute-in-place window", pattern(buffer, 0, 512), 1);
    check("a word of it", pattern((uint8_t *)&word, 0x400, 4), 1);
    check("a byte of it", pattern(&byte, 0x123, 1), 1);
    check("registers are back", R32(SPI3, 0x100), 0xeb);
    R32(SPI3, 0x08) = 0;
}

int main(void) {
    checks_begin();
    uint8_t id[3], jedec = 0x9f;
    query(&jedec, 1, id, 3);
    // The middle byte tells the 3 V part from the 1.8 V one.
    check("JEDEC id", id[0] << 16 | id[2], 0xef0018);
    read(0x200000, buffer, 1000);
    check("polled read", pattern(buffer, 0, 1000), 1);
    program_and_erase();
    dma();
    enhanced("dual output read", 1, 0x3b, 0x200040, 0, 24, 8);
    enhanced("quad output read", 2, 0x6b, 0x200080, 0, 24, 8);
    // The mode byte is part of the address frame, as the SDK's driver has it.
    setup(2, RX, 32);
    R32(SPI3, 0xf4) = 4 << 11 | 2 << 8 | 8 << 2 | 1;
    R32(SPI3, 0x04) = 16 - 1;
    R32(SPI3, 0x08) = 1;
    R32(SPI3, 0x60) = 0xeb;
    R32(SPI3, 0x60) = 0x20010000;
    R32(SPI3, 0x10) = 1;
    for (unsigned i = 0; i < 16;) {
        if (R32(SPI3, 0x24)) {
            words[i++] = __builtin_bswap32(R32(SPI3, 0x60));
        }
    }
    wait_idle();
    check("quad input/output read", pattern((uint8_t *)words, 0x100, 64), 1);
    execute_in_place();
    checks_done();
}
