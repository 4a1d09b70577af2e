#include <stdbool.h>

#include "bsp.h"
#include "clint.h"
#include "sysctl.h"

// Limits of the PLL in hertz: Kendryte standalone SDK, sysctl.c.
#define PLL_VCO_MIN (350000000u)
#define PLL_VCO_MAX (1750000000u)
#define PLL_REF_MIN (13671900u)
#define PLL_MAX_NR (16u)
#define PLL_MAX_NF (64u)
#define PLL_MAX_OD (16u)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

// A field of a register; no register for an index that the SDK leaves free.
typedef struct {
    uint8_t offset, shift, width;
} field_t;

#define WORD(offset) (*(volatile uint32_t *)(SYSCTL_BASE_ADDR + (offset)))

#define CLK_SEL0 (0x20)
#define CLK_SEL1 (0x24)
#define CLK_TH(n) (0x38 + 4 * (n))
#define PLL(n) (0x08 + 4 * (n))

static const field_t thresholds[] = {
    [SYSCTL_THRESHOLD_ACLK] = {CLK_SEL0, 1, 2},
    [SYSCTL_THRESHOLD_APB0] = {CLK_SEL0, 3, 3},
    [SYSCTL_THRESHOLD_APB1] = {CLK_SEL0, 6, 3},
    [SYSCTL_THRESHOLD_APB2] = {CLK_SEL0, 9, 3},
    [SYSCTL_THRESHOLD_SRAM0] = {CLK_TH(0), 0, 4},
    [SYSCTL_THRESHOLD_SRAM1] = {CLK_TH(0), 4, 4},
    [SYSCTL_THRESHOLD_AI] = {CLK_TH(0), 8, 4},
    [SYSCTL_THRESHOLD_DVP] = {CLK_TH(0), 12, 4},
    [SYSCTL_THRESHOLD_ROM] = {CLK_TH(0), 16, 4},
    [SYSCTL_THRESHOLD_SPI0] = {CLK_TH(1), 0, 8},
    [SYSCTL_THRESHOLD_SPI1] = {CLK_TH(1), 8, 8},
    [SYSCTL_THRESHOLD_SPI2] = {CLK_TH(1), 16, 8},
    [SYSCTL_THRESHOLD_SPI3] = {CLK_TH(1), 24, 8},
    [SYSCTL_THRESHOLD_TIMER0] = {CLK_TH(2), 0, 8},
    [SYSCTL_THRESHOLD_TIMER1] = {CLK_TH(2), 8, 8},
    [SYSCTL_THRESHOLD_TIMER2] = {CLK_TH(2), 16, 8},
    [SYSCTL_THRESHOLD_I2S0] = {CLK_TH(3), 0, 16},
    [SYSCTL_THRESHOLD_I2S1] = {CLK_TH(3), 16, 16},
    [SYSCTL_THRESHOLD_I2S2] = {CLK_TH(4), 0, 16},
    [SYSCTL_THRESHOLD_I2S0_M] = {CLK_TH(4), 16, 8},
    [SYSCTL_THRESHOLD_I2S1_M] = {CLK_TH(4), 24, 8},
    [SYSCTL_THRESHOLD_I2S2_M] = {CLK_TH(5), 0, 8},
    [SYSCTL_THRESHOLD_I2C0] = {CLK_TH(5), 8, 8},
    [SYSCTL_THRESHOLD_I2C1] = {CLK_TH(5), 16, 8},
    [SYSCTL_THRESHOLD_I2C2] = {CLK_TH(5), 24, 8},
    [SYSCTL_THRESHOLD_WDT0] = {CLK_TH(6), 0, 8},
    [SYSCTL_THRESHOLD_WDT1] = {CLK_TH(6), 8, 8},
};

static const field_t selects[] = {
    [SYSCTL_CLOCK_SELECT_PLL0_BYPASS] = {PLL(0), 23, 1},
    [SYSCTL_CLOCK_SELECT_PLL1_BYPASS] = {PLL(1), 23, 1},
    [SYSCTL_CLOCK_SELECT_PLL2_BYPASS] = {PLL(2), 23, 1},
    [SYSCTL_CLOCK_SELECT_PLL2] = {PLL(2), 26, 2},
    [SYSCTL_CLOCK_SELECT_ACLK] = {CLK_SEL0, 0, 1},
    [SYSCTL_CLOCK_SELECT_SPI3] = {CLK_SEL0, 12, 1},
    [SYSCTL_CLOCK_SELECT_TIMER0] = {CLK_SEL0, 13, 1},
    [SYSCTL_CLOCK_SELECT_TIMER1] = {CLK_SEL0, 14, 1},
    [SYSCTL_CLOCK_SELECT_TIMER2] = {CLK_SEL0, 15, 1},
    [SYSCTL_CLOCK_SELECT_SPI3_SAMPLE] = {CLK_SEL1, 0, 1},
};

// mtime runs with the CPU's clock, so times are counted from the last change of that.
static struct {
    uint64_t mtime, us;
} time_base;

static int field_read(const field_t *fields, unsigned count, unsigned which) {
    if (which >= count || !fields[which].width) {
        return -1;
    }
    const field_t *field = &fields[which];
    return WORD(field->offset) >> field->shift & ((1u << field->width) - 1);
}

static void change(uint8_t offset, uint32_t mask, uint32_t value) {
    uint64_t state = bsp_irq_save();
    WORD(offset) = (WORD(offset) & ~mask) | (value & mask);
    bsp_irq_restore(state);
}

static int field_write(const field_t *fields, unsigned count, unsigned which, int value) {
    if (which >= count || !fields[which].width) {
        return -1;
    }
    const field_t *field = &fields[which];
    change(field->offset, ((1u << field->width) - 1) << field->shift, (uint32_t)value << field->shift);
    return 0;
}

int sysctl_clock_set_threshold(sysctl_threshold_t which, int threshold) {
    return field_write(thresholds, ARRAY_SIZE(thresholds), which, threshold);
}

int sysctl_clock_get_threshold(sysctl_threshold_t which) {
    return field_read(thresholds, ARRAY_SIZE(thresholds), which);
}

int sysctl_clock_set_clock_select(sysctl_clock_select_t which, int select) {
    return field_write(selects, ARRAY_SIZE(selects), which, select);
}

int sysctl_clock_get_clock_select(sysctl_clock_select_t which) {
    return field_read(selects, ARRAY_SIZE(selects), which);
}

// The bus that a peripheral hangs on, as its bit in clk_en_cent; 0 for those on none of the three.
static uint32_t bus_gate(sysctl_clock_t clock) {
    switch (clock) {
        case SYSCTL_CLOCK_GPIO:
        case SYSCTL_CLOCK_SPI2:
        case SYSCTL_CLOCK_I2S0 ... SYSCTL_CLOCK_UART3:
        case SYSCTL_CLOCK_FPIOA ... SYSCTL_CLOCK_TIMER2:
        case SYSCTL_CLOCK_SHA:
            return SYSCTL_CENT_APB(0);
        case SYSCTL_CLOCK_AES:
        case SYSCTL_CLOCK_WDT0:
        case SYSCTL_CLOCK_WDT1:
        case SYSCTL_CLOCK_OTP:
        case SYSCTL_CLOCK_RTC:
            return SYSCTL_CENT_APB(1);
        case SYSCTL_CLOCK_SPI0:
        case SYSCTL_CLOCK_SPI1:
            return SYSCTL_CENT_APB(2);
        default:
            return 0;
    }
}

static void gate(sysctl_clock_t clock, bool open) {
    const uint8_t cent = 0x28, peri = 0x2c;
    uint32_t value = open ? ~0u : 0;
    if (clock <= SYSCTL_CLOCK_PLL2) {
        change(PLL(clock), SYSCTL_PLL_OUT_EN, value);
    } else if (clock <= SYSCTL_CLOCK_APB2) {
        change(cent, 1u << (clock - SYSCTL_CLOCK_CPU), value);
    } else if (clock <= SYSCTL_CLOCK_RTC) {
        change(peri, 1u << (clock - SYSCTL_CLOCK_ROM + (clock == SYSCTL_CLOCK_RTC)), value);
    }
}

int sysctl_clock_enable(sysctl_clock_t clock) {
    if (clock >= SYSCTL_CLOCK_MAX) {
        return -1;
    }
    change(0x28, bus_gate(clock), ~0u);
    gate(clock, true);
    return 0;
}

int sysctl_clock_disable(sysctl_clock_t clock) {
    if (clock >= SYSCTL_CLOCK_MAX) {
        return -1;
    }
    gate(clock, false);
    return 0;
}

uint32_t sysctl_clock_source_get_freq(sysctl_clock_source_t source) {
    switch (source) {
        case SYSCTL_SOURCE_IN0:
            return SYSCTL_CLOCK_FREQ_IN0;
        case SYSCTL_SOURCE_PLL0:
        case SYSCTL_SOURCE_PLL1:
        case SYSCTL_SOURCE_PLL2:
            return sysctl_pll_get_freq(source - SYSCTL_SOURCE_PLL0);
        case SYSCTL_SOURCE_ACLK:
            return sysctl_cpu_get_freq();
        default:
            return 0;
    }
}

// PLL2 has a choice: the crystal, PLL0 or PLL1, numbered as the sources are.
static uint32_t pll_input(sysctl_pll_t pll) {
    unsigned source = pll == SYSCTL_PLL2 ? sysctl->pll[2] >> 26 & 3 : 0;
    return source <= SYSCTL_SOURCE_PLL1 ? sysctl_clock_source_get_freq(source) : 0;
}

uint32_t sysctl_pll_get_freq(sysctl_pll_t pll) {
    if (pll >= SYSCTL_PLL_MAX) {
        return 0;
    }
    // Asked for at every look at the time, and divisions are slow: the last answer is kept. Its key is written last, so
    // that an interrupt or the other hart finds it whole or not at all.
    static volatile struct {
        uint32_t value, input, freq;
    } last[SYSCTL_PLL_MAX];
    uint32_t value = sysctl->pll[pll], input = pll_input(pll);
    if (value != last[pll].value || input != last[pll].input) {
        uint32_t nr = (value & 15) + 1, nf = (value >> 4 & 63) + 1, od = (value >> 10 & 15) + 1;
        last[pll].freq = value & SYSCTL_PLL_BYPASS ? input : (uint32_t)((uint64_t)input * nf / nr / od);
        last[pll].input = input;
        last[pll].value = value;
    }
    return last[pll].freq;
}

uint32_t sysctl_cpu_get_freq(void) {
    uint32_t select = sysctl->clk_sel[0];
    return select & 1 ? sysctl_pll_get_freq(SYSCTL_PLL0) / (2u << (select >> 1 & 3)) : SYSCTL_CLOCK_FREQ_IN0;
}

static uint32_t divided(uint32_t source, sysctl_threshold_t threshold, unsigned factor) {
    return source / ((sysctl_clock_get_threshold(threshold) + 1) * factor);
}

static uint32_t selected(sysctl_clock_select_t select) {
    return sysctl_clock_source_get_freq(sysctl_clock_get_clock_select(select) ? SYSCTL_SOURCE_PLL0 : SYSCTL_SOURCE_IN0);
}

uint32_t sysctl_clock_get_freq(sysctl_clock_t clock) {
    uint32_t aclk = sysctl_cpu_get_freq();
    switch (clock) {
        case SYSCTL_CLOCK_IN0:
        case SYSCTL_CLOCK_RTC:
            return SYSCTL_CLOCK_FREQ_IN0;
        case SYSCTL_CLOCK_PLL0 ... SYSCTL_CLOCK_PLL2:
            return sysctl_pll_get_freq(clock - SYSCTL_CLOCK_PLL0);
        case SYSCTL_CLOCK_CPU:
        case SYSCTL_CLOCK_DMA:
        case SYSCTL_CLOCK_FFT:
        case SYSCTL_CLOCK_ACLK:
        case SYSCTL_CLOCK_HCLK:
            return aclk;
        case SYSCTL_CLOCK_SRAM0:
            return divided(aclk, SYSCTL_THRESHOLD_SRAM0, 1);
        case SYSCTL_CLOCK_SRAM1:
            return divided(aclk, SYSCTL_THRESHOLD_SRAM1, 1);
        case SYSCTL_CLOCK_ROM:
            return divided(aclk, SYSCTL_THRESHOLD_ROM, 1);
        case SYSCTL_CLOCK_DVP:
            return divided(aclk, SYSCTL_THRESHOLD_DVP, 1);
        case SYSCTL_CLOCK_AI:
            return divided(sysctl_pll_get_freq(SYSCTL_PLL1), SYSCTL_THRESHOLD_AI, 1);
        case SYSCTL_CLOCK_APB0:
        case SYSCTL_CLOCK_GPIO:
        case SYSCTL_CLOCK_UART1 ... SYSCTL_CLOCK_UART3:
        case SYSCTL_CLOCK_FPIOA:
        case SYSCTL_CLOCK_SHA:
            return divided(aclk, SYSCTL_THRESHOLD_APB0, 1);
        case SYSCTL_CLOCK_APB1:
        case SYSCTL_CLOCK_AES:
        case SYSCTL_CLOCK_OTP:
            return divided(aclk, SYSCTL_THRESHOLD_APB1, 1);
        case SYSCTL_CLOCK_APB2:
            return divided(aclk, SYSCTL_THRESHOLD_APB2, 1);
        case SYSCTL_CLOCK_I2S0 ... SYSCTL_CLOCK_I2S2:
            return divided(sysctl_pll_get_freq(SYSCTL_PLL2), SYSCTL_THRESHOLD_I2S0 + (clock - SYSCTL_CLOCK_I2S0), 2);
        case SYSCTL_CLOCK_WDT0 ... SYSCTL_CLOCK_WDT1:
            return divided(SYSCTL_CLOCK_FREQ_IN0, SYSCTL_THRESHOLD_WDT0 + (clock - SYSCTL_CLOCK_WDT0), 2);
        case SYSCTL_CLOCK_SPI0 ... SYSCTL_CLOCK_SPI2:
            return divided(sysctl_pll_get_freq(SYSCTL_PLL0), SYSCTL_THRESHOLD_SPI0 + (clock - SYSCTL_CLOCK_SPI0), 2);
        case SYSCTL_CLOCK_I2C0 ... SYSCTL_CLOCK_I2C2:
            return divided(sysctl_pll_get_freq(SYSCTL_PLL0), SYSCTL_THRESHOLD_I2C0 + (clock - SYSCTL_CLOCK_I2C0), 2);
        case SYSCTL_CLOCK_SPI3:
            return divided(selected(SYSCTL_CLOCK_SELECT_SPI3), SYSCTL_THRESHOLD_SPI3, 2);
        case SYSCTL_CLOCK_TIMER0 ... SYSCTL_CLOCK_TIMER2: {
            unsigned n = clock - SYSCTL_CLOCK_TIMER0;
            return divided(selected(SYSCTL_CLOCK_SELECT_TIMER0 + n), SYSCTL_THRESHOLD_TIMER0 + n, 2);
        }
        default:
            return 0;
    }
}

// The setting nearest to `freq`, without control bits; `*error` is its distance in hertz.
static uint32_t pll_search(uint32_t input, uint32_t freq, uint32_t *error) {
    uint32_t best = 0;
    *error = UINT32_MAX;
    for (uint32_t nr = 1; nr <= PLL_MAX_NR && input / nr >= PLL_REF_MIN; nr++) {
        for (uint32_t od = 1; od <= PLL_MAX_OD; od++) {
            uint64_t nf = ((uint64_t)freq * nr * od + input / 2) / input, vco = input * nf / nr;
            if (nf < 1 || nf > PLL_MAX_NF || vco < PLL_VCO_MIN || vco > PLL_VCO_MAX) {
                continue;
            }
            uint32_t got = (uint32_t)(vco / od), distance = got > freq ? got - freq : freq - got;
            if (distance < *error) {
                *error = distance;
                best = SYSCTL_PLL_CLKR(nr - 1) | SYSCTL_PLL_CLKF(nf - 1) | SYSCTL_PLL_CLKOD(od - 1)
                    | SYSCTL_PLL_BWADJ(nf - 1);
            }
        }
    }
    return best;
}

static void wait_cycles(uint64_t cycles) {
    for (uint64_t start = read_cycle(); read_cycle() - start < cycles;) {
    }
}

static void pll_wait_lock(sysctl_pll_t pll) {
    uint32_t locked = pll == SYSCTL_PLL0 ? SYSCTL_PLL0_LOCK : SYSCTL_PLL_LOCK(pll);
    while ((sysctl->pll_lock & locked) != locked) {
        sysctl->pll_lock |= SYSCTL_PLL_SLIP_CLEAR(pll);
    }
}

int sysctl_pll_enable(sysctl_pll_t pll) {
    if (pll >= SYSCTL_PLL_MAX) {
        return -1;
    }
    // The SDK lets a microsecond pass before the reset, and holds that as long; the CPU may run at
    // any frequency here.
    uint64_t microsecond = sysctl_cpu_get_freq() / 1000000;
    change(PLL(pll), SYSCTL_PLL_PWRD | SYSCTL_PLL_BYPASS | SYSCTL_PLL_RESET, SYSCTL_PLL_PWRD);
    wait_cycles(microsecond);
    change(PLL(pll), SYSCTL_PLL_RESET, SYSCTL_PLL_RESET);
    wait_cycles(microsecond);
    change(PLL(pll), SYSCTL_PLL_RESET, 0);
    return 0;
}

int sysctl_pll_disable(sysctl_pll_t pll) {
    if (pll >= SYSCTL_PLL_MAX) {
        return -1;
    }
    change(PLL(pll), SYSCTL_PLL_PWRD | SYSCTL_PLL_BYPASS, 0);
    return 0;
}

static void time_rebase(void) {
    time_base.us = sysctl_get_time_us();
    time_base.mtime = clint_get_time();
}

static void cpu_select(sysctl_clock_source_t source) {
    time_rebase();
    sysctl_clock_set_clock_select(SYSCTL_CLOCK_SELECT_ACLK, source == SYSCTL_SOURCE_PLL0);
}

uint32_t sysctl_pll_set_freq(sysctl_pll_t pll, uint32_t freq) {
    if (pll >= SYSCTL_PLL_MAX || freq == 0) {
        return 0;
    }
    uint32_t error, setting = pll_search(pll_input(pll), freq, &error);
    if (error == UINT32_MAX) {
        return 0;
    }
    uint64_t state = bsp_irq_save();
    if (pll == SYSCTL_PLL0) {
        cpu_select(SYSCTL_SOURCE_IN0);
    }
    uint32_t source = sysctl->pll[pll] & SYSCTL_PLL_CKIN_SEL(3);
    sysctl->pll[pll] = source | setting;
    sysctl_pll_enable(pll);
    pll_wait_lock(pll);
    change(PLL(pll), SYSCTL_PLL_OUT_EN, SYSCTL_PLL_OUT_EN);
    if (pll == SYSCTL_PLL0) {
        cpu_select(SYSCTL_SOURCE_PLL0);
    }
    bsp_irq_restore(state);
    return sysctl_pll_get_freq(pll);
}

uint32_t sysctl_cpu_set_freq(uint32_t freq) {
    uint32_t divider = 2u << sysctl_clock_get_threshold(SYSCTL_THRESHOLD_ACLK);
    if (freq == 0 || freq > UINT32_MAX / divider || !sysctl_pll_set_freq(SYSCTL_PLL0, freq * divider)) {
        return 0;
    }
    return sysctl_cpu_get_freq();
}

void sysctl_reset(sysctl_reset_t reset) {
    if (reset == SYSCTL_RESET_SOC) {
        sysctl->soft_reset = 1;
        return;
    }
    if (reset > SYSCTL_RESET_RTC) {
        return;
    }
    uint32_t bit = reset == SYSCTL_RESET_RTC ? 1u << 29 : 1u << (reset - SYSCTL_RESET_ROM);
    change(0x34, bit, bit);
    wait_cycles(sysctl_cpu_get_freq() / 100000); // 10 us, as the SDK does
    change(0x34, bit, 0);
}

int sysctl_dma_select(sysctl_dma_channel_t channel, sysctl_dma_select_t select) {
    if (channel >= SYSCTL_DMA_CHANNEL_MAX) {
        return -1;
    }
    unsigned shift = channel % 5 * 6;
    change(0x64 + channel / 5 * 4, 0x3fu << shift, (uint32_t)select << shift);
    return 0;
}

uint32_t sysctl_set_spi0_dvp_data(uint8_t en) {
    change(0x54, SYSCTL_MISC_SPI_DVP_DATA, en ? ~0u : 0);
    return 0;
}

void sysctl_set_power_mode(sysctl_power_bank_t bank, sysctl_io_power_mode_t mode) {
    change(0x6c, 1u << bank, mode == SYSCTL_POWER_V18 ? ~0u : 0);
}

void sysctl_enable_irq(void) {
    set_csr(mie, MIP_MEIP);
    set_csr(mstatus, MSTATUS_MIE);
}

void sysctl_disable_irq(void) {
    clear_csr(mie, MIP_MEIP);
    clear_csr(mstatus, MSTATUS_MIE);
}

uint64_t sysctl_get_time_us(void) {
    // Microseconds a tick with 32 binary places.
    uint64_t scale = ((uint64_t)CLINT_CLOCK_DIV * 1000000 << 32) / sysctl_cpu_get_freq();
    uint64_t ticks = clint_get_time() - time_base.mtime;
    return time_base.us + (uint64_t)((unsigned __int128)ticks * scale >> 32);
}

uint64_t sysctl_us_to_ticks(uint64_t us) {
    uint64_t scale = ((uint64_t)sysctl_cpu_get_freq() << 32) / ((uint64_t)CLINT_CLOCK_DIV * 1000000);
    return (uint64_t)((unsigned __int128)us * scale >> 32);
}

sysctl_reset_enum_status_t sysctl_get_reset_status(void) {
    static bool known;
    static sysctl_reset_enum_status_t status;
    if (!known) {
        uint32_t flags = sysctl->reset_status;
        status = flags & SYSCTL_RESET_STS_WDT0 ? SYSCTL_RESET_STATUS_WDT0
            : flags & SYSCTL_RESET_STS_WDT1    ? SYSCTL_RESET_STATUS_WDT1
            : flags & SYSCTL_RESET_STS_SOFT    ? SYSCTL_RESET_STATUS_SOFT
                                               : SYSCTL_RESET_STATUS_HARD;
        sysctl->reset_status |= SYSCTL_RESET_STS_CLR;
        known = true;
    }
    return status;
}
