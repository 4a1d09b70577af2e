// I2S 0: a WAV file in on channel 1, a ramp out on channel 2, both by DMA.
// Expectations: Kendryte standalone SDK, i2s.h, i2s.c.

#include "check.h"
#include "chip.h"
#include "sysctl.h"

#define BLOCK I2S(0)
#define CHANNEL(n) (BLOCK + 0x20 + 0x40 * (n))
#define FRAMES (256)

static uint32_t in[FRAMES * 2], out[FRAMES * 2];

int main(void) {
    checks_begin();
    // PLL2 to 260 MHz; / (2 * (79 + 1)): 1.625 MHz = 64 * 25,390.6 frames a second
    sysctl->pll[2] = SYSCTL_PLL_CLKF(9) | SYSCTL_PLL_BWADJ(9) | SYSCTL_PLL_PWRD | SYSCTL_PLL_OUT_EN;
    sysctl->clk_th[3] = (sysctl->clk_th[3] & 0xffff0000) | 79;
    for (unsigned i = 0; i < FRAMES; i++) {
        out[2 * i] = i * 16;
        out[2 * i + 1] = -i * 16;
    }
    R32(BLOCK, 0x00) = 1;
    for (unsigned n = 0; n < 4; n++) {
        R32(CHANNEL(n), 0x08) = n == 1; // receive
        R32(CHANNEL(n), 0x0c) = n == 2; // transmit
        R32(CHANNEL(n), 0x10) = 2; // 16 bits
        R32(CHANNEL(n), 0x14) = 2;
    }
    R32(BLOCK, 0x10) = 2 << 3 | 1 << 8 | 1 << 9; // 32 clocks a word; DMA both ways
    dma_start(1, DMA_FROM_DEVICE, DMA_I2S0_RX, BLOCK + 0x1c0, (uintptr_t)in, 2, FRAMES * 2);
    dma_start(0, DMA_TO_DEVICE, DMA_I2S0_TX, (uintptr_t)out, BLOCK + 0x1c8, 2, FRAMES * 2);
    R32(BLOCK, 0x04) = 1;
    R32(BLOCK, 0x08) = 1;
    uint64_t start = read_csr(mcycle);
    R32(BLOCK, 0x0c) = 1;
    check("record", dma_wait(1), 1);
    uint64_t us = (read_csr(mcycle) - start) / 390;
    check("play", dma_wait(0), 1);
    check_range("in its time", us, 9900, 10400); // 256 frames
    unsigned good = 0;
    for (unsigned i = 1; i < FRAMES; i++) {
        good += (uint16_t)in[2 * i] - (uint16_t)in[2 * i - 2] == 3 && (in[2 * i + 1] & 0xffff) == 0x1234;
    }
    check("what was recorded", good, FRAMES - 1);
    wait_us(2000); // the last frames
    checks_done();
}
