// DMAC: memory to memory, all channels, widths, lists, interrupts, reset.
// Expectations: Kendryte standalone SDK, dmac.h, dmac.c.

#include <string.h>

#include "check.h"
#include "chip.h"
#include "plic.h"

static uint8_t from[4096] __attribute__((aligned(64)));
static uint8_t to[4096] __attribute__((aligned(64)));

static volatile unsigned claimed;

static void handler(unsigned number) {
    if (number == IRQ_M_EXT) {
        claimed = plic_irq_claim();
        R64(DMA_CHANNEL(claimed - IRQN_DMA0_INTERRUPT), 0x98) = 0xffffffff;
        plic_irq_complete(claimed);
    }
}

int main(void) {
    checks_begin();
    R64(DMAC, 0x58) = 1;
    unsigned spins = 0;
    while ((R64(DMAC, 0x58) & 1) && spins < 1000) {
        spins++;
    }
    check("the reset bit clears itself", spins < 1000, 1);
    for (unsigned i = 0; i < sizeof(from); i++) {
        from[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    for (unsigned channel = 0; channel < 6; channel++) {
        char name[32];
        unsigned width = channel < 4 ? channel : 2;
        memset(to, 0xee, sizeof(to));
        dma_start(channel, DMA_MEMORY, DMA_NONE, (uintptr_t)from, (uintptr_t)to, width, 100);
        bool done = dma_wait(channel);
        unsigned bytes = 100u << width;
        snprintf(name, sizeof(name), "channel %u, %u bytes wide", channel, 1u << width);
        check(name, done && memcmp(from, to, bytes) == 0 && to[bytes] == 0xee, 1);
        check("  it is off again", R64(DMAC, 0x18) >> channel & 1, 0);
    }
    // Through the uncached addresses, to and from AI RAM.
    dma_start(0, DMA_MEMORY, DMA_NONE, (uintptr_t)from - 0x40000000, 0x40600000, 3, 512);
    check("to AI RAM", dma_wait(0) && memcmp(from, (void *)0x80600000, 4096) == 0, 1);

    plic_init();
    plic_set_priority(IRQN_DMA0_INTERRUPT + 4, 1);
    plic_irq_enable(IRQN_DMA0_INTERRUPT + 4);
    on_interrupt = handler;
    set_csr(mie, MIP_MEIP);
    set_csr(mstatus, MSTATUS_MIE);
    R64(DMA_CHANNEL(4), 0x90) = DMA_DONE;
    dma_start(4, DMA_MEMORY, DMA_NONE, (uintptr_t)from, (uintptr_t)to, 2, 1000);
    sleep_until(&claimed, IRQN_DMA0_INTERRUPT + 4);
    clear_csr(mstatus, MSTATUS_MIE);
    check("interrupt on completion", claimed, IRQN_DMA0_INTERRUPT + 4);

    // A list of two blocks.
    static uint64_t items[2][8] __attribute__((aligned(64)));
    memset(to, 0, sizeof(to));
    for (unsigned i = 0; i < 2; i++) {
        items[i][0] = (uintptr_t)from + i * 1024;
        items[i][1] = (uintptr_t)to + i * 512;
        items[i][2] = 127;
        items[i][3] = i == 0 ? (uintptr_t)items[1] : 0;
        items[i][4] = (uint64_t)(i == 1 ? 3 : 2) << 62 | 2 << 8 | 2 << 11;
    }
    uintptr_t c = DMA_CHANNEL(2);
    R64(c, 0x98) = 0xffffffff;
    R64(c, 0x80) = 0xffffffff;
    R64(c, 0x20) = 3 | 3 << 2; // source and target by list
    R64(c, 0x28) = (uintptr_t)items[0];
    R64(DMAC, 0x18) = 0x101u << 2;
    check("a list of blocks ends", dma_wait(2), 1);
    check("its first block", memcmp(to, from, 512), 0);
    check("its second block", memcmp(to + 512, from + 1024, 512), 0);

    // An address that does not exist.
    dma_start(3, DMA_MEMORY, DMA_NONE, 0x10000000, (uintptr_t)to, 2, 4);
    wait_us(100);
    check("a bad source address is an error", dma_status(3) >> 5 & 1, 1);
    checks_done();
}
