// SYSCTL: PLLs, clock tree, gates and resets.
// Registers: Kendryte standalone SDK, sysctl.h.
#ifndef K210_SYSCTL_H
#define K210_SYSCTL_H

#include <stdint.h>

#include "platform.h"

#define SYSCTL_CLOCK_FREQ_IN0 (26000000u)

typedef struct {
    uint32_t git_id; // 0x00
    uint32_t clk_freq; // 0x04
    uint32_t pll[3]; // 0x08
    uint32_t reserved0; // 0x14
    uint32_t pll_lock; // 0x18
    uint32_t rom_error; // 0x1c
    uint32_t clk_sel[2]; // 0x20
    uint32_t clk_en_cent; // 0x28
    uint32_t clk_en_peri; // 0x2c
    uint32_t soft_reset; // 0x30
    uint32_t peri_reset; // 0x34
    uint32_t clk_th[7]; // 0x38
    uint32_t misc; // 0x54
    uint32_t peri; // 0x58
    uint32_t spi_sleep; // 0x5c
    uint32_t reset_status; // 0x60
    uint32_t dma_sel[2]; // 0x64
    uint32_t power_sel; // 0x6c
} sysctl_t;

#define sysctl ((volatile sysctl_t *)SYSCTL_BASE_ADDR)

// pll[n]
#define SYSCTL_PLL_CLKR(n) ((uint32_t)(n))
#define SYSCTL_PLL_CLKF(n) ((uint32_t)(n) << 4)
#define SYSCTL_PLL_CLKOD(n) ((uint32_t)(n) << 10)
#define SYSCTL_PLL_BWADJ(n) ((uint32_t)(n) << 14)
#define SYSCTL_PLL_RESET (1u << 20)
#define SYSCTL_PLL_PWRD (1u << 21) // 1: powered
#define SYSCTL_PLL_BYPASS (1u << 23)
#define SYSCTL_PLL_OUT_EN (1u << 25)

// pll_lock
#define SYSCTL_PLL0_LOCK (3u << 0)
#define SYSCTL_PLL0_SLIP_CLEAR (1u << 2)

// clk_sel[0]
#define SYSCTL_ACLK_SEL_PLL0 (1u << 0)
#define SYSCTL_ACLK_DIVIDER_SEL(sel) ((sel) >> 1 & 3)

// The CPU's frequency in hertz, as the registers stand.
uint32_t sysctl_cpu_get_freq(void);

// PLL0 to 780 MHz and the CPU to half of it, from the 26 MHz crystal.
void sysctl_cpu_set_390mhz(void);

#endif // K210_SYSCTL_H
