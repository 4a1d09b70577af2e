// The SD driver: cards of any kind, no card, cards that come and go, damaged data. The test attaches
// the card and acts on lines that begin with "do"; it compares the card's contents afterwards.
// Expectations: SD physical layer simplified specification 6.00.

#include <string.h>

#include "check.h"
#include "dmac.h"
#include "iomem.h"
#include "plic.h"
#include "sdcard.h"
#include "sysctl.h"

#define COUNT (40)

static sdcard_t card;
static const sdcard_config_t config = {
    .spi = SPI_DEVICE_1,
    .sck = 27,
    .mosi = 28,
    .miso = 26,
    .cs = 29,
    .cs_gpiohs = 7,
};
static uint8_t data[(COUNT + 1) * SD_BLOCK_SIZE], back[(COUNT + 1) * SD_BLOCK_SIZE];

static void ask(const char *what) {
    printf("do %s\n", what);
    bsp_sleep_us(2000);
}

static unsigned same(uint32_t block, const uint8_t *wanted, uint32_t count) {
    memset(back, 0x11, sizeof(back));
    return sdcard_read(&card, block, back + 1, count) == SD_OK && memcmp(back + 1, wanted, count * SD_BLOCK_SIZE) == 0;
}

static void test_blocks(void) {
    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 11 + (i >> 8));
    }
    check("writes one block", sdcard_write(&card, 5, data, 1), SD_OK);
    check("  is there", same(5, data, 1), 1);
    uint64_t start = sysctl_get_time_us();
    check("writes many", sdcard_write(&card, 100, data + 3, COUNT), SD_OK);
    uint64_t wrote = sysctl_get_time_us();
    check("  are there", same(100, data + 3, COUNT), 1);
    uint64_t read = sysctl_get_time_us();
    // 20,480 bytes at 24.4 MHz take 6.7 ms.
    check_range("  written at two thirds of the wire's speed or more", wrote - start, 6700, 10000);
    check_range("  read so too", read - wrote, 6700, 10000);
    check("the last block", same(card.blocks - 1, back, 0), 1);
    check("  can be read", sdcard_read(&card, card.blocks - 1, back, 1), SD_OK);
    check("behind it", sdcard_read(&card, card.blocks - 1, back, 2), SD_RANGE);
    check("  nor written", sdcard_write(&card, card.blocks, data, 1), SD_RANGE);
    check("nothing at all", sdcard_read(&card, card.blocks, back, 0), SD_OK);
    check("the card is there", sdcard_check(&card), SD_OK);
}

static void test_damage(void) {
    ask("damage");
    check("a damaged block is noticed", sdcard_read(&card, 100, back, 3), SD_CRC);
    check("  and read again", same(100, data + 3, 3), 1);
}

static void test_removal(void) {
    ask("pull");
    uint64_t start = sysctl_get_time_us();
    sd_result_t result = sdcard_read(&card, 100, back, 3);
    uint64_t took = sysctl_get_time_us() - start;
    check("a pulled card is noticed", result, SD_TIMEOUT);
    check_range("  soon", took, 0, 500000);
    check("  is not there", sdcard_read(&card, 100, back, 3), SD_NO_CARD);
    check("  nor written to", sdcard_write(&card, 100, data, 1), SD_NO_CARD);
    ask("insert");
    check("it comes back", same(100, data + 3, 3), 1);
    ask("change");
    check("another card", sdcard_write(&card, 100, data, 2), SD_TIMEOUT);
    check("  is not taken for it", sdcard_write(&card, 100, data, 2), SD_CHANGED);
    check("  again", sdcard_read(&card, 100, back, 1), SD_CHANGED);
    check("  unless it is asked for", sdcard_init(&card, &config), SD_OK);
    check("  is empty", sdcard_read(&card, 100, back, 1) == SD_OK && back[0] == 0, 1);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    plic_init();
    sysctl_enable_irq();
    dmac_init();
    uint64_t start = sysctl_get_time_us();
    check("an empty socket", sdcard_init(&card, &config), SD_NO_CARD);
    check_range("  is noticed soon", sysctl_get_time_us() - start, 0, 8000);
    ask("insert");
    start = sysctl_get_time_us();
    check("a card is found", sdcard_init(&card, &config), SD_OK);
    check_range("  soon", sysctl_get_time_us() - start, 0, 8000);
    printf("card of %u blocks, high capacity %u\n", (unsigned)card.blocks, card.high_capacity);
    test_blocks();
    test_damage();
    test_removal();
    check("no memory is lost", iomem_unused(), IOMEM_POOL_SIZE);
    checks_done();
}
