// SYSCTL: PLLs, clock tree, gates, resets, DMA handshakes, pad voltages.
// Registers: Kendryte standalone SDK, sysctl.h, whose names of functions and enumerators these are.
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
#define SYSCTL_PLL_CKIN_SEL(n) ((uint32_t)(n) << 26)

// pll_lock: a byte for each PLL
#define SYSCTL_PLL_LOCK(pll) (1u << 8 * (pll))
#define SYSCTL_PLL0_LOCK (3u << 0)
#define SYSCTL_PLL_SLIP_CLEAR(pll) (4u << 8 * (pll))

// clk_en_cent
#define SYSCTL_CENT_CPU (1u << 0)
#define SYSCTL_CENT_SRAM0 (1u << 1)
#define SYSCTL_CENT_SRAM1 (1u << 2)
#define SYSCTL_CENT_APB(n) (1u << (3 + (n)))

#define SYSCTL_MISC_SPI_DVP_DATA (1u << 10)
#define SYSCTL_PERI_SPI3_XIP (1u << 15)

// reset_status
#define SYSCTL_RESET_STS_CLR (1u << 0)
#define SYSCTL_RESET_STS_WDT0 (1u << 2)
#define SYSCTL_RESET_STS_WDT1 (1u << 3)
#define SYSCTL_RESET_STS_SOFT (1u << 4)

typedef enum {
    SYSCTL_PLL0,
    SYSCTL_PLL1,
    SYSCTL_PLL2,
    SYSCTL_PLL_MAX,
} sysctl_pll_t;

typedef enum {
    SYSCTL_SOURCE_IN0,
    SYSCTL_SOURCE_PLL0,
    SYSCTL_SOURCE_PLL1,
    SYSCTL_SOURCE_PLL2,
    SYSCTL_SOURCE_ACLK,
    SYSCTL_SOURCE_MAX,
} sysctl_clock_source_t;

typedef enum {
    SYSCTL_DMA_CHANNEL_0,
    SYSCTL_DMA_CHANNEL_1,
    SYSCTL_DMA_CHANNEL_2,
    SYSCTL_DMA_CHANNEL_3,
    SYSCTL_DMA_CHANNEL_4,
    SYSCTL_DMA_CHANNEL_5,
    SYSCTL_DMA_CHANNEL_MAX,
} sysctl_dma_channel_t;

typedef enum {
    SYSCTL_DMA_SELECT_SSI0_RX_REQ,
    SYSCTL_DMA_SELECT_SSI0_TX_REQ,
    SYSCTL_DMA_SELECT_SSI1_RX_REQ,
    SYSCTL_DMA_SELECT_SSI1_TX_REQ,
    SYSCTL_DMA_SELECT_SSI2_RX_REQ,
    SYSCTL_DMA_SELECT_SSI2_TX_REQ,
    SYSCTL_DMA_SELECT_SSI3_RX_REQ,
    SYSCTL_DMA_SELECT_SSI3_TX_REQ,
    SYSCTL_DMA_SELECT_I2C0_RX_REQ,
    SYSCTL_DMA_SELECT_I2C0_TX_REQ,
    SYSCTL_DMA_SELECT_I2C1_RX_REQ,
    SYSCTL_DMA_SELECT_I2C1_TX_REQ,
    SYSCTL_DMA_SELECT_I2C2_RX_REQ,
    SYSCTL_DMA_SELECT_I2C2_TX_REQ,
    SYSCTL_DMA_SELECT_UART1_RX_REQ,
    SYSCTL_DMA_SELECT_UART1_TX_REQ,
    SYSCTL_DMA_SELECT_UART2_RX_REQ,
    SYSCTL_DMA_SELECT_UART2_TX_REQ,
    SYSCTL_DMA_SELECT_UART3_RX_REQ,
    SYSCTL_DMA_SELECT_UART3_TX_REQ,
    SYSCTL_DMA_SELECT_AES_REQ,
    SYSCTL_DMA_SELECT_SHA_RX_REQ,
    SYSCTL_DMA_SELECT_AI_RX_REQ,
    SYSCTL_DMA_SELECT_FFT_RX_REQ,
    SYSCTL_DMA_SELECT_FFT_TX_REQ,
    SYSCTL_DMA_SELECT_I2S0_TX_REQ,
    SYSCTL_DMA_SELECT_I2S0_RX_REQ,
    SYSCTL_DMA_SELECT_I2S1_TX_REQ,
    SYSCTL_DMA_SELECT_I2S1_RX_REQ,
    SYSCTL_DMA_SELECT_I2S2_TX_REQ,
    SYSCTL_DMA_SELECT_I2S2_RX_REQ,
    SYSCTL_DMA_SELECT_I2S0_BF_DIR_REQ,
    SYSCTL_DMA_SELECT_I2S0_BF_VOICE_REQ,
    SYSCTL_DMA_SELECT_MAX,
} sysctl_dma_select_t;

typedef enum {
    SYSCTL_CLOCK_PLL0,
    SYSCTL_CLOCK_PLL1,
    SYSCTL_CLOCK_PLL2,
    SYSCTL_CLOCK_CPU,
    SYSCTL_CLOCK_SRAM0,
    SYSCTL_CLOCK_SRAM1,
    SYSCTL_CLOCK_APB0,
    SYSCTL_CLOCK_APB1,
    SYSCTL_CLOCK_APB2,
    SYSCTL_CLOCK_ROM, // from here to RTC in the order of the bits of clk_en_peri
    SYSCTL_CLOCK_DMA,
    SYSCTL_CLOCK_AI,
    SYSCTL_CLOCK_DVP,
    SYSCTL_CLOCK_FFT,
    SYSCTL_CLOCK_GPIO,
    SYSCTL_CLOCK_SPI0,
    SYSCTL_CLOCK_SPI1,
    SYSCTL_CLOCK_SPI2,
    SYSCTL_CLOCK_SPI3,
    SYSCTL_CLOCK_I2S0,
    SYSCTL_CLOCK_I2S1,
    SYSCTL_CLOCK_I2S2,
    SYSCTL_CLOCK_I2C0,
    SYSCTL_CLOCK_I2C1,
    SYSCTL_CLOCK_I2C2,
    SYSCTL_CLOCK_UART1,
    SYSCTL_CLOCK_UART2,
    SYSCTL_CLOCK_UART3,
    SYSCTL_CLOCK_AES,
    SYSCTL_CLOCK_FPIOA,
    SYSCTL_CLOCK_TIMER0,
    SYSCTL_CLOCK_TIMER1,
    SYSCTL_CLOCK_TIMER2,
    SYSCTL_CLOCK_WDT0,
    SYSCTL_CLOCK_WDT1,
    SYSCTL_CLOCK_SHA,
    SYSCTL_CLOCK_OTP,
    SYSCTL_CLOCK_RTC, // its bit is 29, behind one that is reserved
    SYSCTL_CLOCK_ACLK = 40,
    SYSCTL_CLOCK_HCLK,
    SYSCTL_CLOCK_IN0,
    SYSCTL_CLOCK_MAX,
} sysctl_clock_t;

typedef enum {
    SYSCTL_CLOCK_SELECT_PLL0_BYPASS,
    SYSCTL_CLOCK_SELECT_PLL1_BYPASS,
    SYSCTL_CLOCK_SELECT_PLL2_BYPASS,
    SYSCTL_CLOCK_SELECT_PLL2,
    SYSCTL_CLOCK_SELECT_ACLK,
    SYSCTL_CLOCK_SELECT_SPI3,
    SYSCTL_CLOCK_SELECT_TIMER0,
    SYSCTL_CLOCK_SELECT_TIMER1,
    SYSCTL_CLOCK_SELECT_TIMER2,
    SYSCTL_CLOCK_SELECT_SPI3_SAMPLE,
    SYSCTL_CLOCK_SELECT_MAX = 11,
} sysctl_clock_select_t;

typedef enum {
    SYSCTL_THRESHOLD_ACLK,
    SYSCTL_THRESHOLD_APB0,
    SYSCTL_THRESHOLD_APB1,
    SYSCTL_THRESHOLD_APB2,
    SYSCTL_THRESHOLD_SRAM0,
    SYSCTL_THRESHOLD_SRAM1,
    SYSCTL_THRESHOLD_AI,
    SYSCTL_THRESHOLD_DVP,
    SYSCTL_THRESHOLD_ROM,
    SYSCTL_THRESHOLD_SPI0,
    SYSCTL_THRESHOLD_SPI1,
    SYSCTL_THRESHOLD_SPI2,
    SYSCTL_THRESHOLD_SPI3,
    SYSCTL_THRESHOLD_TIMER0,
    SYSCTL_THRESHOLD_TIMER1,
    SYSCTL_THRESHOLD_TIMER2,
    SYSCTL_THRESHOLD_I2S0,
    SYSCTL_THRESHOLD_I2S1,
    SYSCTL_THRESHOLD_I2S2,
    SYSCTL_THRESHOLD_I2S0_M,
    SYSCTL_THRESHOLD_I2S1_M,
    SYSCTL_THRESHOLD_I2S2_M,
    SYSCTL_THRESHOLD_I2C0,
    SYSCTL_THRESHOLD_I2C1,
    SYSCTL_THRESHOLD_I2C2,
    SYSCTL_THRESHOLD_WDT0,
    SYSCTL_THRESHOLD_WDT1,
    SYSCTL_THRESHOLD_MAX = 28,
} sysctl_threshold_t;

// Bits of peri_reset, one less; SOC is a register of its own.
typedef enum {
    SYSCTL_RESET_SOC,
    SYSCTL_RESET_ROM,
    SYSCTL_RESET_DMA,
    SYSCTL_RESET_AI,
    SYSCTL_RESET_DVP,
    SYSCTL_RESET_FFT,
    SYSCTL_RESET_GPIO,
    SYSCTL_RESET_SPI0,
    SYSCTL_RESET_SPI1,
    SYSCTL_RESET_SPI2,
    SYSCTL_RESET_SPI3,
    SYSCTL_RESET_I2S0,
    SYSCTL_RESET_I2S1,
    SYSCTL_RESET_I2S2,
    SYSCTL_RESET_I2C0,
    SYSCTL_RESET_I2C1,
    SYSCTL_RESET_I2C2,
    SYSCTL_RESET_UART1,
    SYSCTL_RESET_UART2,
    SYSCTL_RESET_UART3,
    SYSCTL_RESET_AES,
    SYSCTL_RESET_FPIOA,
    SYSCTL_RESET_TIMER0,
    SYSCTL_RESET_TIMER1,
    SYSCTL_RESET_TIMER2,
    SYSCTL_RESET_WDT0,
    SYSCTL_RESET_WDT1,
    SYSCTL_RESET_SHA,
    SYSCTL_RESET_RTC, // its bit is 29, behind two without a reset
    SYSCTL_RESET_MAX = 31,
} sysctl_reset_t;

typedef enum {
    SYSCTL_POWER_BANK0, // pads 0 to 5
    SYSCTL_POWER_BANK1, // pads 6 to 11, and so on by six
    SYSCTL_POWER_BANK2,
    SYSCTL_POWER_BANK3,
    SYSCTL_POWER_BANK4,
    SYSCTL_POWER_BANK5,
    SYSCTL_POWER_BANK6,
    SYSCTL_POWER_BANK7,
    SYSCTL_POWER_BANK_MAX,
} sysctl_power_bank_t;

typedef enum {
    SYSCTL_POWER_V33,
    SYSCTL_POWER_V18,
} sysctl_io_power_mode_t;

typedef enum {
    SYSCTL_RESET_STATUS_HARD,
    SYSCTL_RESET_STATUS_SOFT,
    SYSCTL_RESET_STATUS_WDT0,
    SYSCTL_RESET_STATUS_WDT1,
    SYSCTL_RESET_STATUS_MAX,
} sysctl_reset_enum_status_t;

// Opens or closes the gate of a clock; enabling opens its bus's too. 0, or -1 for no such clock.
int sysctl_clock_enable(sysctl_clock_t clock);
int sysctl_clock_disable(sysctl_clock_t clock);

// Dividers as they stand in the registers. 0 or the value, or -1 for no such divider.
int sysctl_clock_set_threshold(sysctl_threshold_t which, int threshold);
int sysctl_clock_get_threshold(sysctl_threshold_t which);

// Multiplexers. 0 or the value, or -1 for no such one.
int sysctl_clock_set_clock_select(sysctl_clock_select_t which, int select);
int sysctl_clock_get_clock_select(sysctl_clock_select_t which);

// Frequencies in hertz as the registers stand; 0 for what has none.
uint32_t sysctl_clock_source_get_freq(sysctl_clock_source_t source);
uint32_t sysctl_pll_get_freq(sysctl_pll_t pll);
uint32_t sysctl_clock_get_freq(sysctl_clock_t clock);

// Sets a PLL as near to `freq` hertz as it can be; returns what it became, or 0 when that is out of
// reach. PLL0 moves the CPU and all that hangs on it: times stay right, baud rates are the caller's.
uint32_t sysctl_pll_set_freq(sysctl_pll_t pll, uint32_t freq);
int sysctl_pll_enable(sysctl_pll_t pll);
int sysctl_pll_disable(sysctl_pll_t pll);

// Resets a block (or with SYSCTL_RESET_SOC the chip) and lets it go.
void sysctl_reset(sysctl_reset_t reset);

// Which request a DMA channel follows. 0, or -1 for no such channel.
int sysctl_dma_select(sysctl_dma_channel_t channel, sysctl_dma_select_t select);

// 1 gives SPI0's and DVP's data lines to their dedicated pads.
uint32_t sysctl_set_spi0_dvp_data(uint8_t en);
void sysctl_set_power_mode(sysctl_power_bank_t bank, sysctl_io_power_mode_t mode);

// The CPU's frequency in hertz.
uint32_t sysctl_cpu_get_freq(void);
uint32_t sysctl_cpu_set_freq(uint32_t freq);

// External interrupts of the calling hart.
void sysctl_enable_irq(void);
void sysctl_disable_irq(void);

// Microseconds since the chip's reset, whatever the CPU's frequency was.
uint64_t sysctl_get_time_us(void);

// The same counted in mtime's ticks at the present frequency, rounded down.
uint64_t sysctl_us_to_ticks(uint64_t us);

// Why the chip was reset; the same answer until the next reset.
sysctl_reset_enum_status_t sysctl_get_reset_status(void);

#endif // K210_SYSCTL_H
