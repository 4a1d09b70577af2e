// The DMAC driver: buffers anywhere, in any length; ends, errors and limits.
// Expectations: every byte arrives and no other changes; what can not end is given up in time.

#include <string.h>

#include "check.h"
#include "dmac.h"
#include "iomem.h"
#include "plic.h"
#include "spi.h"
#include "sysctl.h"

#define SIZE (10000)

static uint8_t from[SIZE + 64], to[SIZE + 64];
static uint8_t uncached[SIZE] IOMEM;

static volatile unsigned called;

static int count_call(void *ctx) {
    called += (unsigned)(uintptr_t)ctx;
    return 0;
}

static void fill(unsigned seed) {
    for (unsigned i = 0; i < sizeof(from); i++) {
        from[i] = (uint8_t)(i * 7 + (i >> 8) + seed);
    }
    memset(to, 0xee, sizeof(to));
}

static void copy(const char *name, const void *source, void *target, dmac_transfer_width_t width, size_t items) {
    dmac_set_single_mode(
        DMAC_CHANNEL2, source, target, DMAC_ADDR_INCREMENT, DMAC_ADDR_INCREMENT, DMAC_MSIZE_4, width, items);
    bool done = dmac_wait_done_timeout(DMAC_CHANNEL2, 100000);
    check(name, done && memcmp(source, target, items << width) == 0, 1);
    check("  and is idle", dmac_is_idle(DMAC_CHANNEL2), 1);
}

static void test_memory(void) {
    fill(1);
    copy("cached to cached, in pieces", from, to, DMAC_TRANS_WIDTH_32, SIZE / 4);
    check("  nothing behind", to[SIZE], 0xee);
    fill(2);
    copy("odd addresses", from + 3, to + 1, DMAC_TRANS_WIDTH_8, 4099);
    check("  nothing before", to[0], 0xee);
    check("  nothing behind", to[4100], 0xee);
    fill(3);
    copy("cached to uncached", from, uncached, DMAC_TRANS_WIDTH_64, SIZE / 8);
    copy("uncached to cached", uncached, to, DMAC_TRANS_WIDTH_16, SIZE / 2);
    copy("to AI RAM", from, (void *)AI_RAM_UNCACHED_BASE_ADDR, DMAC_TRANS_WIDTH_32, SIZE / 4);
    copy("one item", from, to, DMAC_TRANS_WIDTH_8, 1);
    static uint32_t word = 0x12345678;
    dmac_set_single_mode(
        DMAC_CHANNEL0, &word, to, DMAC_ADDR_NOCHANGE, DMAC_ADDR_INCREMENT, DMAC_MSIZE_1, DMAC_TRANS_WIDTH_32, SIZE / 4);
    dmac_wait_done(DMAC_CHANNEL0);
    unsigned right = 0;
    for (unsigned i = 0; i < SIZE / 4; i++) {
        right += memcmp(to + 4 * i, &word, 4) == 0;
    }
    check("one word again and again", right, SIZE / 4);
}

static void test_interrupts(void) {
    fill(4);
    called = 0;
    dmac_irq_register(DMAC_CHANNEL5, count_call, (void *)3, 2);
    copy("another channel meanwhile", from, to, DMAC_TRANS_WIDTH_32, 100);
    check("  calls nobody", called, 0);
    dmac_set_single_mode(
        DMAC_CHANNEL5, from, to, DMAC_ADDR_INCREMENT, DMAC_ADDR_INCREMENT, DMAC_MSIZE_4, DMAC_TRANS_WIDTH_32, SIZE / 4);
    bsp_sleep_us(1000);
    check("the callback comes once", called, 3);
    check("  when all pieces are there", memcmp(from, to, SIZE), 0);
    check("  which is done", dmac_is_done(DMAC_CHANNEL5), 1);
    dmac_set_src_dest_length(DMAC_CHANNEL5, uncached, uncached + 400, 100);
    bsp_sleep_us(1000);
    check("started again as it was", called, 6);
    check("  moves words", memcmp(uncached, uncached + 400, 400), 0);
    dmac_irq_unregister(DMAC_CHANNEL5);
    uint64_t state = bsp_irq_save();
    fill(5);
    copy("with interrupts off", from, to, DMAC_TRANS_WIDTH_32, SIZE / 4);
    bsp_irq_restore(state);
    check("the callback is gone", called, 6);
}

static void test_failures(void) {
    // SPI0 receives nothing, so its request never comes.
    sysctl_clock_enable(SYSCTL_CLOCK_SPI0);
    sysctl_dma_select(SYSCTL_DMA_CHANNEL_1, SYSCTL_DMA_SELECT_SSI0_RX_REQ);
    dmac_set_single_mode(DMAC_CHANNEL1, (const void *)&spi[0]->dr[0], to, DMAC_ADDR_NOCHANGE, DMAC_ADDR_INCREMENT,
        DMAC_MSIZE_1, DMAC_TRANS_WIDTH_32, 10);
    check("one that waits is not idle", dmac_is_idle(DMAC_CHANNEL1), 0);
    uint64_t start = sysctl_get_time_us();
    check("  the limit ends it", dmac_wait_done_timeout(DMAC_CHANNEL1, 2000), 0);
    check_range("  in time", sysctl_get_time_us() - start, 2000, 3000);
    check("  it is idle", dmac_is_idle(DMAC_CHANNEL1), 1);
    copy("memory again", uncached, uncached + 400, DMAC_TRANS_WIDTH_32, 10);
    dmac_set_src_dest_length(DMAC_CHANNEL2, (const void *)0x10000000, uncached, 10);
    start = sysctl_get_time_us();
    check("an address where nothing is", dmac_wait_done_timeout(DMAC_CHANNEL2, 100000), 0);
    check_range("  is noticed at once", sysctl_get_time_us() - start, 0, 1000);
    fill(6);
    dmac_set_single_mode(
        DMAC_CHANNEL1, from, to, DMAC_ADDR_INCREMENT, DMAC_ADDR_INCREMENT, DMAC_MSIZE_4, DMAC_TRANS_WIDTH_8, 100);
    check("it works after that", dmac_wait_done_timeout(DMAC_CHANNEL1, 1000) && !memcmp(from, to, 100), 1);
}

static void test_claims(void) {
    check("a channel is claimed", dmac_channel_claim(DMAC_CHANNEL1), 1);
    check("  once", dmac_channel_claim(DMAC_CHANNEL1), 0);
    unsigned seen = 0;
    for (int number; (number = dmac_channel_alloc()) >= 0;) {
        seen |= 1u << number;
    }
    check("all others are given away", seen, 0x3d);
    dmac_channel_free(DMAC_CHANNEL4);
    check("a freed one comes back", (uint64_t)dmac_channel_alloc(), 4);
}

static void test_iomem(void) {
    uint32_t all = iomem_unused();
    uint8_t *a = iomem_malloc(1), *b = iomem_malloc(1000), *c = iomem_malloc(64);
    check("not through the cache", is_memory_cache((uintptr_t)a) || is_memory_cache((uintptr_t)c), 0);
    check("  whole cache lines", ((uintptr_t)a | (uintptr_t)b | (uintptr_t)c) % CACHE_LINE, 0);
    check("  apart", (uint64_t)(b - a >= 64 && c - b >= 1000), 1);
    check("  counted", all - iomem_unused(), 64 + 1024 + 64);
    iomem_free(b);
    check("what is free is used again", (uint64_t)(iomem_malloc(900) == b), 1);
    check("too much is refused", (uint64_t)iomem_malloc(all), 0);
    iomem_free(a);
    iomem_free(b);
    iomem_free(c);
    iomem_free(NULL);
    check("all came back", iomem_unused(), all);
    void *whole = iomem_malloc(all);
    check("  in one piece", whole != NULL, 1);
    iomem_free(whole);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    plic_init();
    sysctl_enable_irq();
    dmac_init();
    test_memory();
    test_interrupts();
    test_failures();
    test_claims();
    test_iomem();
    checks_done();
}
