// The SPI driver against a part on SPI1 that the test brings: it answers byte n of a transfer with
// (n * 3 + 1) & 255 on one line and the test compares what it heard with what is printed here.
// Expectations: DesignWare SSI databook as the Kendryte standalone SDK uses it.

#include <string.h>

#include "check.h"
#include "dmac.h"
#include "fpioa.h"
#include "iomem.h"
#include "plic.h"
#include "spi.h"
#include "sysctl.h"

#define SIZE (20000)

static uint8_t out[SIZE], in[SIZE];
static uint32_t words[300] IOMEM;

static uint8_t answer(unsigned i) {
    return (uint8_t)(i * 3 + 1);
}

static unsigned answers_right(const uint8_t *bytes, unsigned from, unsigned count) {
    unsigned right = 0;
    for (unsigned i = 0; i < count; i++) {
        right += bytes[i] == answer(from + i);
    }
    return right;
}

// The test reads these lines: so many bytes, their sum with their places.
static void said(const char *name, const void *bytes, unsigned count) {
    uint32_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += ((const uint8_t *)bytes)[i] * (i + 1);
    }
    printf("said %s: %u %u\n", name, count, (unsigned)sum);
}

static volatile unsigned called;

static int count_call(void *ctx) {
    called += (unsigned)(uintptr_t)ctx;
    return 0;
}

static void test_sending(void) {
    const uint8_t command[3] = {0x9a, 0xbc, 0xde};
    check("a few bytes", spi_send_data_standard(SPI_DEVICE_1, SPI_CHIP_SELECT_0, command, 3, out, 10), 1);
    uint8_t both[13];
    memcpy(both, command, 3);
    memcpy(both + 3, out, 10);
    said("few", both, 13);
    bool good =
        spi_send_data_standard_dma(DMAC_CHANNEL3, SPI_DEVICE_1, SPI_CHIP_SELECT_0, NULL, 0, (uint8_t *)out + 1, 4001);
    check("many bytes by DMA", good, 1);
    said("many", out + 1, 4001);
    check("  its channel is free again", dmac_channel_claim(DMAC_CHANNEL3), 1);
    dmac_channel_free(DMAC_CHANNEL3);
    for (unsigned i = 0; i < 300; i++) {
        words[i] = out[i];
    }
    good = spi_send_data_normal_dma(DMAC_CHANNEL0, SPI_DEVICE_1, SPI_CHIP_SELECT_0, words, 300, SPI_TRANS_INT);
    check("uncached words in place", good, 1);
    said("words", out, 300);
    uint32_t word = 0x5a;
    check(
        "one word again and again", spi_fill_data_dma(DMAC_CHANNEL0, SPI_DEVICE_1, SPI_CHIP_SELECT_0, &word, 1000), 1);
    memset(in, 0x5a, 1000);
    said("fill", in, 1000);
}

static void test_receiving(void) {
    const uint8_t command[4] = {1, 2, 3, 4};
    memset(in, 0, sizeof(in));
    bool good = spi_receive_data_standard(SPI_DEVICE_1, SPI_CHIP_SELECT_0, command, 4, in, 20);
    check("a few bytes after a command", good, 1);
    check("  what was answered", answers_right(in, 4, 20), 20);
    check("  and no more", in[20], 0);
    good = spi_receive_data_standard_dma(
        DMAC_CHANNEL0, DMAC_CHANNEL1, SPI_DEVICE_1, SPI_CHIP_SELECT_0, command, 4, in + 1, 3001);
    check("many by DMA", good, 1);
    check("  what was answered", answers_right(in + 1, 4, 3001), 3001);
    check("  and no more", in[3002], 0);
    check("no command", spi_receive_data_standard(SPI_DEVICE_1, SPI_CHIP_SELECT_0, NULL, 0, in, 500), 1);
    check("  what was answered", answers_right(in, 0, 500), 500);
    check("more than can be counted is refused",
        spi_receive_data_standard(SPI_DEVICE_1, SPI_CHIP_SELECT_0, NULL, 0, in, 65537), 0);
}

static void test_both(void) {
    memset(in, 0, sizeof(in));
    bool good = spi_dup_send_receive_data_dma(
        DMAC_CHANNEL0, DMAC_CHANNEL1, SPI_DEVICE_1, SPI_CHIP_SELECT_0, out, 1500, in, 1500);
    check("both ways", good, 1);
    said("both", out, 1500);
    check("  what was answered", answers_right(in, 0, 1500), 1500);
    good =
        spi_dup_send_receive_data_dma(DMAC_CHANNEL0, DMAC_CHANNEL1, SPI_DEVICE_1, SPI_CHIP_SELECT_0, out, 5, in, 100);
    check("more to receive than to send", good, 1);
    uint8_t sent[100];
    memset(sent, 0xff, sizeof(sent));
    memcpy(sent, out, 5);
    said("padded", sent, 100);
    check("  what was answered", answers_right(in, 0, 100), 100);
    memset(in, 0, 16);
    good = spi_dup_send_receive_data_dma(DMAC_CHANNEL0, DMAC_CHANNEL1, SPI_DEVICE_1, SPI_CHIP_SELECT_0, out, 8, in, 3);
    check("less to receive than to send", good, 1);
    said("short", out, 8);
    check("  nothing is written behind", answers_right(in, 0, 3) * 256 + in[3], 3 * 256);
}

static void test_wide(void) {
    // 32-bit frames whose lowest byte is first on the wire: bytes arrive in the order of memory.
    spi_init(SPI_DEVICE_1, SPI_WORK_MODE_0, SPI_FF_STANDARD, 32, 1);
    check("wide frames, lowest byte first",
        spi_send_data_standard(SPI_DEVICE_1, SPI_CHIP_SELECT_0, NULL, 0, out, 12000), 1);
    said("wide", out, 12000);
    memset(in, 0, sizeof(in));
    check("  received", spi_receive_data_standard(SPI_DEVICE_1, SPI_CHIP_SELECT_0, NULL, 0, in, 12000), 1);
    check("  what was answered", answers_right(in, 0, 12000), 12000);
    spi_init(SPI_DEVICE_1, SPI_WORK_MODE_0, SPI_FF_STANDARD, 32, 0);
    const uint32_t head = 0x01020304;
    check("bytes in wide frames", spi_send_bytes(SPI_DEVICE_1, SPI_CHIP_SELECT_0, NULL, 0, out + 1, 12000), 1);
    said("bytes", out + 1, 12000);
    memset(in, 0, sizeof(in));
    check("  received after a head", spi_receive_bytes(SPI_DEVICE_1, SPI_CHIP_SELECT_0, &head, 1, in + 3, 12000), 1);
    check("  what was answered", answers_right(in + 3, 4, 12000), 12000);
    check("  both ways", spi_exchange_bytes(SPI_DEVICE_1, SPI_CHIP_SELECT_0, out + 4, in, 600), 1);
    said("exchanged", out + 4, 600);
    check("  what was answered", answers_right(in, 0, 600), 600);
    spi_init(SPI_DEVICE_1, SPI_WORK_MODE_0, SPI_FF_STANDARD, 16, 0);
    check("half words, highest byte first", spi_send_data_standard(SPI_DEVICE_1, SPI_CHIP_SELECT_0, NULL, 0, out, 200),
        1);
    for (unsigned i = 0; i < 200; i++) {
        in[i] = out[i ^ 1];
    }
    said("halves", in, 200);
    spi_init(SPI_DEVICE_1, SPI_WORK_MODE_0, SPI_FF_STANDARD, 8, 0);
}

static void test_background(void) {
    spi_data_t data = {
        .tx_channel = DMAC_CHANNEL4,
        .rx_channel = DMAC_CHANNEL5,
        .tx_buf = words,
        .tx_len = 300,
        .transfer_mode = SPI_TMOD_TRANS,
    };
    plic_interrupt_t after = {count_call, (void *)1, 1};
    called = 0;
    uint64_t start = sysctl_get_time_us();
    bool good = spi_handle_data_dma(SPI_DEVICE_1, SPI_CHIP_SELECT_0, data, &after);
    uint64_t took = sysctl_get_time_us() - start;
    unsigned calls = called;
    check("a transfer in the background", good, 1);
    check_range("  starts at once", took, 0, 50);
    check("  is not over yet", calls, 0);
    // The next one waits for it.
    check("another one", spi_send_data_standard(SPI_DEVICE_1, SPI_CHIP_SELECT_0, NULL, 0, out, 4), 1);
    check("  comes after it", called, 1);
    said("background", out, 300);
    said("after", out, 4);
    data.transfer_mode = SPI_TMOD_RECV;
    data.rx_buf = words;
    data.rx_len = 300;
    check("receiving in the background", spi_handle_data_dma(SPI_DEVICE_1, SPI_CHIP_SELECT_0, data, &after), 1);
    bsp_sleep_us(2000);
    unsigned right = 0;
    for (unsigned i = 0; i < 300; i++) {
        right += words[i] == answer(i);
    }
    check("  what was answered", right, 300);
    check("  called back", called, 2);
    check("the same in the foreground", spi_handle_data_dma(SPI_DEVICE_1, SPI_CHIP_SELECT_0, data, NULL), 1);
    check("  called back no more", called, 2);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    plic_init();
    sysctl_enable_irq();
    dmac_init();
    for (unsigned i = 0; i < SIZE; i++) {
        out[i] = (uint8_t)(i * 11 + (i >> 8));
    }
    fpioa_set_function(27, FUNC_SPI1_SCLK);
    fpioa_set_function(28, FUNC_SPI1_D0);
    fpioa_set_function(26, FUNC_SPI1_D1);
    fpioa_set_function(29, FUNC_SPI1_SS0);
    spi_init(SPI_DEVICE_1, SPI_WORK_MODE_0, SPI_FF_STANDARD, 8, 0);
    uint32_t clock = sysctl_clock_get_freq(SYSCTL_CLOCK_SPI1);
    check("the rate is not above what is asked", spi_set_clk_rate(SPI_DEVICE_1, clock / 15), clock / 16);
    check("  nor below the lowest", spi_set_clk_rate(SPI_DEVICE_1, 1), clock / 65534);
    check("  nor above the highest", spi_set_clk_rate(SPI_DEVICE_1, clock), clock / 2);
    check_range("10 MHz", spi_set_clk_rate(SPI_DEVICE_1, 10000000), 9000000, 10000000);
    test_sending();
    test_receiving();
    test_both();
    test_wide();
    test_background();
    uint64_t start = sysctl_get_time_us();
    check("1,250 bytes at 10 MHz", spi_send_data_standard(SPI_DEVICE_1, SPI_CHIP_SELECT_0, NULL, 0, out, 1250), 1);
    check_range("  take a millisecond", sysctl_get_time_us() - start, 1000, 1200);
    said("timed", out, 1250);
    check("no memory is lost", iomem_unused(), IOMEM_POOL_SIZE);
    checks_done();
}
