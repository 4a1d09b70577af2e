#include "encoding.h"
#include "sysctl.h"

static uint32_t pll0_get_freq(void) {
    uint32_t value = sysctl->pll[0];
    uint32_t nr = (value & 15) + 1, nf = (value >> 4 & 63) + 1, od = (value >> 10 & 15) + 1;
    return value & SYSCTL_PLL_BYPASS ? SYSCTL_CLOCK_FREQ_IN0
                                     : (uint32_t)((uint64_t)SYSCTL_CLOCK_FREQ_IN0 * nf / nr / od);
}

uint32_t sysctl_cpu_get_freq(void) {
    uint32_t select = sysctl->clk_sel[0];
    return select & SYSCTL_ACLK_SEL_PLL0 ? pll0_get_freq() / (2u << SYSCTL_ACLK_DIVIDER_SEL(select))
                                         : SYSCTL_CLOCK_FREQ_IN0;
}

static void wait_cycles(uint64_t cycles) {
    for (uint64_t start = read_cycle(); read_cycle() - start < cycles;) {
    }
}

void sysctl_cpu_set_390mhz(void) {
    // 26 MHz * 60 / 1 = 1,560 MHz in the oscillator, / 2 = 780 MHz out.
    const uint32_t setting = SYSCTL_PLL_CLKR(0) | SYSCTL_PLL_CLKF(59) | SYSCTL_PLL_CLKOD(1) | SYSCTL_PLL_BWADJ(59);
    // The CPU runs from the crystal while the PLL is off.
    sysctl->clk_sel[0] &= ~(SYSCTL_ACLK_SEL_PLL0 | 3u << 1);
    sysctl->pll[0] = setting;
    sysctl->pll[0] = setting | SYSCTL_PLL_PWRD;
    wait_cycles(26); // the SDK lets a microsecond pass before the reset, and holds that as long
    sysctl->pll[0] = setting | SYSCTL_PLL_PWRD | SYSCTL_PLL_RESET;
    wait_cycles(26);
    sysctl->pll[0] = setting | SYSCTL_PLL_PWRD;
    while ((sysctl->pll_lock & SYSCTL_PLL0_LOCK) != SYSCTL_PLL0_LOCK) {
        sysctl->pll_lock |= SYSCTL_PLL0_SLIP_CLEAR;
    }
    sysctl->pll[0] = setting | SYSCTL_PLL_PWRD | SYSCTL_PLL_OUT_EN;
    sysctl->clk_sel[0] |= SYSCTL_ACLK_SEL_PLL0;
}
