#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "fpioa.h"
#include "sysctl.h"

#define INPUT (FPIOA_IE_EN | FPIOA_ST)
#define OUTPUT (FPIOA_OE_EN | FPIOA_DRIVING(15))
#define BOTH (INPUT | OUTPUT)
// The SPI blocks say when they do not drive.
#define SPI_DATA (BOTH | FPIOA_OE_INV | FPIOA_IE_INV)
// Weakest drive and slow edges for a bus with pull-ups.
#define TWO_WIRE (INPUT | FPIOA_OE_EN | FPIOA_PU | FPIOA_SL)

// The settings of all functions up to `last` that an earlier line does not tell.
// Source: Kendryte standalone SDK, fpioa.c, table function_config.
static const struct {
    uint32_t last, settings;
} classes[] = {
    {FUNC_JTAG_TMS, INPUT},
    {FUNC_JTAG_TDO, OUTPUT},
    {FUNC_SPI0_D7, SPI_DATA},
    {FUNC_SPI0_SS3, OUTPUT},
    {FUNC_SPI0_ARB, INPUT},
    {FUNC_SPI0_SCLK, OUTPUT},
    {FUNC_UARTHS_RX, INPUT},
    {FUNC_UARTHS_TX, OUTPUT},
    {FUNC_RESV7, INPUT},
    {FUNC_CLK_I2C1, OUTPUT},
    {FUNC_GPIO7, BOTH},
    {FUNC_UART1_RX, INPUT},
    {FUNC_UART1_TX, OUTPUT},
    {FUNC_UART2_RX, INPUT},
    {FUNC_UART2_TX, OUTPUT},
    {FUNC_UART3_RX, INPUT},
    {FUNC_UART3_TX, OUTPUT},
    {FUNC_SPI1_D7, SPI_DATA},
    {FUNC_SPI1_SS3, OUTPUT},
    {FUNC_SPI1_ARB, INPUT},
    {FUNC_SPI1_SCLK, OUTPUT},
    {FUNC_SPI_SLAVE_D0, SPI_DATA},
    {FUNC_SPI_SLAVE_SCLK, INPUT},
    {FUNC_I2S0_WS, OUTPUT},
    {FUNC_I2S0_IN_D3, INPUT},
    {FUNC_I2S1_WS, OUTPUT},
    {FUNC_I2S1_IN_D3, INPUT},
    {FUNC_I2S2_WS, OUTPUT},
    {FUNC_I2S2_IN_D3, INPUT},
    {FUNC_I2S2_OUT_D3, OUTPUT},
    {FUNC_RESV5, 0},
    {FUNC_I2C2_SDA, TWO_WIRE},
    {FUNC_CMOS_PWDN, OUTPUT},
    {FUNC_CMOS_D7, INPUT},
    {FUNC_SCCB_SDA, TWO_WIRE | FPIOA_OE_INV},
    {FUNC_UART1_SIR_IN, INPUT},
    {FUNC_UART1_RS485_EN, OUTPUT},
    {FUNC_UART2_SIR_IN, INPUT},
    {FUNC_UART2_RS485_EN, OUTPUT},
    {FUNC_UART3_SIR_IN, INPUT},
    {FUNC_INTERNAL8, OUTPUT},
    {FUNC_INTERNAL12, INPUT},
    {FUNC_INTERNAL13, INPUT | FPIOA_PU},
    {FUNC_INTERNAL14, TWO_WIRE | FPIOA_DRIVING(15)},
    {FUNC_INTERNAL17, INPUT},
    {FUNC_CONSTANT, 0},
    {FUNC_INTERNAL18, INPUT},
    {FUNC_DEBUG31, OUTPUT},
};

static bool is_pad(int number) {
    return number >= 0 && number < FPIOA_NUM_IO;
}

static bool is_function(fpioa_function_t function) {
    return (unsigned)function < FUNC_MAX;
}

// Changes the bits `mask` of a pad's word.
static int change(int number, uint32_t mask, uint32_t bits) {
    if (!is_pad(number)) {
        return -1;
    }
    fpioa->io[number] = (fpioa->io[number] & ~mask) | bits;
    return 0;
}

int fpioa_init(void) {
    sysctl_clock_enable(SYSCTL_CLOCK_FPIOA);
    uint32_t high[FUNC_MAX / 32] = {0};
    high[FUNC_SPI0_ARB / 32] |= 1u << FUNC_SPI0_ARB % 32;
    high[FUNC_SPI1_ARB / 32] |= 1u << FUNC_SPI1_ARB % 32;
    for (unsigned i = 0; i < FUNC_MAX / 32; i++) {
        fpioa->tie_val[i] = high[i];
        fpioa->tie_en[i] = high[i];
    }
    return 0;
}

int fpioa_set_function_raw(int number, fpioa_function_t function) {
    if (!is_pad(number) || !is_function(function)) {
        return -1;
    }
    unsigned i = 0;
    while (classes[i].last < (unsigned)function) {
        i++;
    }
    fpioa->io[number] = FPIOA_CH_SEL(function) | classes[i].settings;
    return 0;
}

int fpioa_set_function(int number, fpioa_function_t function) {
    if (!is_pad(number) || !is_function(function)) {
        return -1;
    }
    if (function != FUNC_RESV0) {
        for (int pad = 0; pad < FPIOA_NUM_IO; pad++) {
            if (pad != number && (fpioa->io[pad] & FPIOA_CH_SEL_MASK) == (uint32_t)function) {
                fpioa_set_function_raw(pad, FUNC_RESV0);
            }
        }
    }
    return fpioa_set_function_raw(number, function);
}

int fpioa_get_io(int number, fpioa_io_config_t *cfg) {
    if (!is_pad(number) || cfg == NULL) {
        return -1;
    }
    uint32_t word = fpioa->io[number];
    memcpy(cfg, &word, sizeof word);
    return 0;
}

int fpioa_set_io(int number, fpioa_io_config_t *cfg) {
    if (!is_pad(number) || cfg == NULL) {
        return -1;
    }
    uint32_t word;
    memcpy(&word, cfg, sizeof word);
    fpioa->io[number] = word;
    return 0;
}

static int set_tie(volatile uint32_t *words, fpioa_function_t function, int value) {
    if (!is_function(function)) {
        return -1;
    }
    uint32_t bit = 1u << function % 32;
    words[function / 32] = value ? words[function / 32] | bit : words[function / 32] & ~bit;
    return 0;
}

int fpioa_set_tie_enable(fpioa_function_t function, int enable) {
    return set_tie(fpioa->tie_en, function, enable);
}

int fpioa_set_tie_value(fpioa_function_t function, int value) {
    return set_tie(fpioa->tie_val, function, value);
}

int fpioa_set_io_pull(int number, fpioa_pull_t pull) {
    static const uint32_t bits[FPIOA_PULL_MAX] = {
        [FPIOA_PULL_DOWN] = FPIOA_PD,
        [FPIOA_PULL_UP] = FPIOA_PU,
    };
    return (unsigned)pull < FPIOA_PULL_MAX ? change(number, FPIOA_PU | FPIOA_PD, bits[pull]) : -1;
}

int fpioa_get_io_pull(int number) {
    if (!is_pad(number)) {
        return -1;
    }
    switch (fpioa->io[number] & (FPIOA_PU | FPIOA_PD)) {
        case FPIOA_PD:
            return FPIOA_PULL_DOWN;
        case FPIOA_PU:
            return FPIOA_PULL_UP;
        default:
            return FPIOA_PULL_NONE; // both at once: undefined, and as the SDK has it
    }
}

int fpioa_set_io_driving(int number, fpioa_driving_t driving) {
    return (unsigned)driving < FPIOA_DRIVING_MAX ? change(number, FPIOA_DRIVING_MASK, FPIOA_DRIVING(driving)) : -1;
}

int fpioa_get_io_driving(int number) {
    return is_pad(number) ? (int)((fpioa->io[number] & FPIOA_DRIVING_MASK) >> 8) : -1;
}

int fpioa_get_io_by_function(fpioa_function_t function) {
    for (int pad = 0; pad < FPIOA_NUM_IO; pad++) {
        if ((fpioa->io[pad] & FPIOA_CH_SEL_MASK) == (uint32_t)function) {
            return pad;
        }
    }
    return -1;
}

int fpioa_set_sl(int number, uint8_t sl_enable) {
    return change(number, FPIOA_SL, sl_enable ? FPIOA_SL : 0);
}

int fpioa_set_st(int number, uint8_t st_enable) {
    return change(number, FPIOA_ST, st_enable ? FPIOA_ST : 0);
}

int fpioa_set_oe_inv(int number, uint8_t inv_enable) {
    return change(number, FPIOA_OE_INV, inv_enable ? FPIOA_OE_INV : 0);
}
