// The flash driver. Expectations: Winbond W25Q128 data sheet. The test puts a pattern at 0x200000,
// 128 KiB long: byte i is (i * 5 + i / 256) & 255; it looks at the chip's contents afterwards.

#include <string.h>

#include "check.h"
#include "dmac.h"
#include "iomem.h"
#include "plic.h"
#include "sysctl.h"
#include "w25qxx.h"

#define PATTERN (0x200000)
#define PATTERN_SIZE (0x20000)
#define AREA (0x300000)

static uint8_t buffer[PATTERN_SIZE + 8], data[20000];
static uint8_t uncached[8192] IOMEM;

static unsigned pattern_right(const uint8_t *bytes, uint32_t from, uint32_t count) {
    unsigned right = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = from + i;
        right += bytes[i] == (uint8_t)(n * 5 + n / 256);
    }
    return right;
}

static void check_read(const char *name, uint32_t offset, uint8_t *to, uint32_t length) {
    memset(to, 0, length);
    check(name, w25qxx_read_data(PATTERN + offset, to, length), W25QXX_OK);
    check("  what is there", pattern_right(to, offset, length), length);
}

static unsigned same(uint32_t addr, const uint8_t *wanted, uint32_t length) {
    memset(buffer, 0x11, length);
    return w25qxx_read_data(addr, buffer, length) == W25QXX_OK && memcmp(buffer, wanted, length) == 0;
}

static void test_reading(void) {
    check_read("one byte", 5, buffer, 1);
    buffer[3] = 0x77;
    check_read("three bytes", 6, buffer, 3);
    check("  nothing behind", buffer[3], 0x77);
    check_read("64 bytes", 100, buffer, 64);
    check_read("odd everything", 4095, buffer + 3, 8191);
    check_read("uncached, in place", 512, uncached, sizeof(uncached));
    uint64_t start = sysctl_get_time_us();
    w25qxx_read_data(PATTERN, buffer, PATTERN_SIZE);
    uint64_t took = sysctl_get_time_us() - start;
    check_read("much", 0, buffer, PATTERN_SIZE);
    // Four lines at 48.75 MHz carry a byte in 41 ns, 5.4 ms in all.
    check_range("  at half of the wires' speed or more", took, 5300, 10800);
    check("the chip's last bytes", w25qxx_read_data(0xfffffd, buffer, 3), W25QXX_OK);
    check("  are erased", buffer[0] << 16 | buffer[1] << 8 | buffer[2], 0xffffff);
    check("beyond the end", w25qxx_read_data(0xfffffe, buffer, 3), W25QXX_ERROR);
    check("nothing at the end", w25qxx_read_data(0x1000000, buffer, 0), W25QXX_OK);
}

static void test_writing(void) {
    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 13 + 7 + (i >> 8));
    }
    uint64_t start = sysctl_get_time_us();
    check("pages from the middle of one", w25qxx_write_data_direct(AREA + 100, data, 1000), W25QXX_OK);
    // Five pages or parts of one: 30 us for the first byte of each, 2.5 us for any other.
    check_range(
        "  as quick as the chip", sysctl_get_time_us() - start, 5 * 30 + 995 * 5 / 2, 5 * 30 + 995 * 5 / 2 + 500);
    check("  are there", same(AREA + 100, data, 1000), 1);
    check("odd bytes", w25qxx_write_data_direct(AREA + 0x1ffd, data + 1, 7), W25QXX_OK);
    check("  are there", same(AREA + 0x1ffd, data + 1, 7), 1);
    start = sysctl_get_time_us();
    uint64_t idle = read_csr(minstret);
    check("a sector", w25qxx_sector_erase(AREA + 5), W25QXX_OK);
    idle = read_csr(minstret) - idle;
    check_range("  takes its 45 ms", sysctl_get_time_us() - start, 45000, 46500);
    check_range("  which are slept through", idle, 0, 300000);
    memset(data, 0xff, 4096);
    check("  is erased", same(AREA, data, 4096), 1);
    memset(data, 0, 3);
    data[3] = data[4] = 0x2d;
    check("  and nothing else", same(AREA + 0x2000, data, 1), 0);

    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 17 + 3 + (i >> 8));
    }
    check("across sectors", w25qxx_write_data(AREA + 0xf80, data, 9000), W25QXX_OK);
    check("  all is there", same(AREA + 0xf80, data, 9000), 1);
    check("something in between", w25qxx_write_data(AREA + 0x1801, (const uint8_t *)"between", 7), W25QXX_OK);
    memcpy(data + 0x1801 - 0xf80, "between", 7);
    check("  the rest stays", same(AREA + 0xf80, data, 9000), 1);
    start = sysctl_get_time_us();
    check("the same again", w25qxx_write_data(AREA + 0xf80, data, 9000), W25QXX_OK);
    check_range("  needs no writing", sysctl_get_time_us() - start, 0, 2000);
    check("a block of 32 KiB", w25qxx_32k_block_erase(AREA + 0x10000), W25QXX_OK);
    check("a block of 64 KiB", w25qxx_64k_block_erase(AREA + 0x20000 + 77), W25QXX_OK);
    check("beyond the end", w25qxx_sector_erase(0x1000000), W25QXX_ERROR);
    check("programs beyond the end", w25qxx_write_data_direct(0xffffff, data, 2), W25QXX_ERROR);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    plic_init();
    sysctl_enable_irq();
    dmac_init();
    check("no chip yet", w25qxx_size(), 0);
    check("a read without chip", w25qxx_read_data(0, buffer, 1), W25QXX_ERROR);
    uint64_t start = sysctl_get_time_us();
    check("the chip is found", w25qxx_init(3, 0, W25QXX_RATE), W25QXX_OK);
    check_range("  quickly", sysctl_get_time_us() - start, 0, 300);
    check("  16 MiB", w25qxx_size(), 1 << 24);
    uint8_t maker = 0, device = 0, id[3], unique[8];
    check("id", w25qxx_read_id(&maker, &device), W25QXX_OK);
    check("  maker", maker, 0xef);
    check("  device", device, 0x17);
    w25qxx_read_jedec_id(id);
    check("  JEDEC", id[0] << 16 | id[1] << 8 | id[2], 0xef6018);
    w25qxx_read_unique_id(unique);
    check("  unique", unique[0] << 8 | unique[7], 0xd123);
    uint8_t second;
    w25qxx_read_status_reg2(&second);
    check("quad mode is on", second & REG2_QUAL_MASK, REG2_QUAL_MASK);
    test_reading();
    test_writing();
    // Other work while DMA is used up by others.
    while (dmac_channel_alloc() >= 0) {
    }
    check_read("when all DMA channels are taken", 0, buffer, 40000);
    check("  writing too", w25qxx_write_data_direct(AREA + 0x4000, data, 600), W25QXX_OK);
    check("  is there", same(AREA + 0x4000, data, 600), 1);
    check("no memory is lost", iomem_unused(), IOMEM_POOL_SIZE);
    checks_done();
}
