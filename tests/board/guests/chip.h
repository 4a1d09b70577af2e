// Blocks that the guests drive bare. Offsets: headers of the Kendryte standalone SDK, one per block;
// addresses: K210 datasheet 0.1.5.
#ifndef K210_CHIP_H
#define K210_CHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "fpioa.h"

#define GPIOHS (0x38001000ul)
#define FFT (0x42000000ul)
#define DMAC (0x50000000ul)
#define GPIO (0x50200000ul)
#define UART(n) (0x50210000ul + 0x10000ul * ((n) - 1))
#define I2S(n) (0x50250000ul + 0x10000ul * (n))
#define I2C(n) (0x50280000ul + 0x10000ul * (n))
#define FPIOA FPIOA_BASE_ADDR
#define SHA256 (0x502c0000ul)
#define TIMER(n) (0x502d0000ul + 0x10000ul * (n))
#define WDT(n) (0x50400000ul + 0x10000ul * (n))
#define OTP (0x50420000ul)
#define AES (0x50450000ul)
#define RTC (0x50460000ul)
#define SPI(n) ((n) == 3 ? 0x54000000ul : 0x52000000ul + 0x1000000ul * (n))

#define R32(base, offset) (*(volatile uint32_t *)((base) + (offset)))
#define R64(base, offset) (*(volatile uint64_t *)((base) + (offset)))

// What a DMA channel can be tied to.
enum {
    DMA_SPI0_RX,
    DMA_SPI0_TX,
    DMA_SPI1_RX,
    DMA_SPI1_TX,
    DMA_SPI3_RX = 6,
    DMA_SPI3_TX,
    DMA_UART1_RX = 14,
    DMA_UART1_TX,
    DMA_AES = 20,
    DMA_SHA_RX,
    DMA_AI_RX,
    DMA_FFT_RX,
    DMA_FFT_TX,
    DMA_I2S0_TX = 25,
    DMA_I2S0_RX,
    DMA_NONE = 63,
};

enum { DMA_MEMORY = 0, DMA_TO_DEVICE = 1, DMA_FROM_DEVICE = 2 };

#define DMA_CHANNEL(n) (DMAC + 0x100 * ((n) + 1))
#define DMA_DONE (2u)

// Items of 1 << width bytes; device addresses stay, memory addresses go up.
static inline void dma_start(
    unsigned channel, unsigned kind, unsigned request, uintptr_t from, uintptr_t to, unsigned width, uint32_t count) {
    uintptr_t c = DMA_CHANNEL(channel);
    volatile uint32_t *select = (volatile uint32_t *)(0x50440064ul + (channel / 5) * 4);
    unsigned shift = channel % 5 * 6;
    *select = (*select & ~(63u << shift)) | request << shift;
    R64(DMAC, 0x10) = 3;
    R64(c, 0x98) = 0xffffffff; // clear
    R64(c, 0x80) = 0xffffffff; // status on
    R64(c, 0x00) = from;
    R64(c, 0x08) = to;
    R64(c, 0x10) = count - 1;
    R64(c, 0x18) = (kind == DMA_FROM_DEVICE ? 1u << 4 : 0) | (kind == DMA_TO_DEVICE ? 1u << 6 : 0) | width << 8
        | width << 11 | (kind == DMA_MEMORY ? 3u : 0) << 14 | 1u << 2;
    R64(c, 0x20) = (uint64_t)kind << 32 | (uint64_t)channel << (32 + 7) | (uint64_t)channel << (32 + 12);
    R64(DMAC, 0x18) = 0x101u << channel;
}

static inline uint32_t dma_status(unsigned channel) {
    return R32(DMA_CHANNEL(channel), 0x88);
}

// False when it takes too long.
static inline bool dma_wait(unsigned channel) {
    for (unsigned i = 0; i < 2000000; i++) {
        if (dma_status(channel) & DMA_DONE) {
            return true;
        }
    }
    return false;
}

#endif // K210_CHIP_H
