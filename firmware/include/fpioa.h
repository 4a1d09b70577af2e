// FPIOA: which function each of the 48 pads carries, and how its buffers are set.
// Registers and function numbers: Kendryte standalone SDK, fpioa.h; enable formula and the missing
// strong pull-up: Linux, drivers/pinctrl/pinctrl-k210.c.
#ifndef K210_FPIOA_H
#define K210_FPIOA_H

#include <stdint.h>

#include "platform.h"

#define FPIOA_NUM_IO (48)

// One word a pad.
#define FPIOA_CH_SEL(function) ((uint32_t)(function))
#define FPIOA_CH_SEL_MASK (0xffu)
#define FPIOA_DRIVING(level) ((uint32_t)(level) << 8)
#define FPIOA_DRIVING_MASK (15u << 8)
#define FPIOA_OE_EN (1u << 12) // output buffer on, while the function's own enable XOR OE_INV is
#define FPIOA_OE_INV (1u << 13)
#define FPIOA_DO_SEL (1u << 14) // the pad shows the function's output enable, not its data
#define FPIOA_DO_INV (1u << 15)
#define FPIOA_PU (1u << 16)
#define FPIOA_PD (1u << 17)
#define FPIOA_SL (1u << 19) // slow edges
#define FPIOA_IE_EN (1u << 20)
#define FPIOA_IE_INV (1u << 21)
#define FPIOA_DI_INV (1u << 22)
#define FPIOA_ST (1u << 23) // Schmitt trigger
#define FPIOA_PAD_DI (1u << 31)

typedef struct {
    uint32_t io[FPIOA_NUM_IO]; // 0x00
    uint32_t tie_en[8]; // 0xc0
    uint32_t tie_val[8]; // 0xe0
} fpioa_t;

#define fpioa ((volatile fpioa_t *)FPIOA_BASE_ADDR)

// A pad's word, as fpioa_get_io() and fpioa_set_io() take it.
typedef struct {
    uint32_t ch_sel : 8;
    uint32_t ds : 4;
    uint32_t oe_en : 1;
    uint32_t oe_inv : 1;
    uint32_t do_sel : 1;
    uint32_t do_inv : 1;
    uint32_t pu : 1;
    uint32_t pd : 1;
    uint32_t resv0 : 1;
    uint32_t sl : 1;
    uint32_t ie_en : 1;
    uint32_t ie_inv : 1;
    uint32_t di_inv : 1;
    uint32_t st : 1;
    uint32_t resv1 : 7;
    uint32_t pad_di : 1;
} fpioa_io_config_t;

typedef enum {
    FUNC_JTAG_TCLK = 0,
    FUNC_JTAG_TDI,
    FUNC_JTAG_TMS,
    FUNC_JTAG_TDO,
    FUNC_SPI0_D0 = 4,
    FUNC_SPI0_D1,
    FUNC_SPI0_D2,
    FUNC_SPI0_D3,
    FUNC_SPI0_D4,
    FUNC_SPI0_D5,
    FUNC_SPI0_D6,
    FUNC_SPI0_D7,
    FUNC_SPI0_SS0,
    FUNC_SPI0_SS1,
    FUNC_SPI0_SS2,
    FUNC_SPI0_SS3,
    FUNC_SPI0_ARB,
    FUNC_SPI0_SCLK,
    FUNC_UARTHS_RX = 18,
    FUNC_UARTHS_TX,
    FUNC_RESV6 = 20,
    FUNC_RESV7,
    FUNC_CLK_SPI1 = 22,
    FUNC_CLK_I2C1,
    FUNC_GPIOHS0 = 24,
    FUNC_GPIOHS1,
    FUNC_GPIOHS2,
    FUNC_GPIOHS3,
    FUNC_GPIOHS4,
    FUNC_GPIOHS5,
    FUNC_GPIOHS6,
    FUNC_GPIOHS7,
    FUNC_GPIOHS8,
    FUNC_GPIOHS9,
    FUNC_GPIOHS10,
    FUNC_GPIOHS11,
    FUNC_GPIOHS12,
    FUNC_GPIOHS13,
    FUNC_GPIOHS14,
    FUNC_GPIOHS15,
    FUNC_GPIOHS16,
    FUNC_GPIOHS17,
    FUNC_GPIOHS18,
    FUNC_GPIOHS19,
    FUNC_GPIOHS20,
    FUNC_GPIOHS21,
    FUNC_GPIOHS22,
    FUNC_GPIOHS23,
    FUNC_GPIOHS24,
    FUNC_GPIOHS25,
    FUNC_GPIOHS26,
    FUNC_GPIOHS27,
    FUNC_GPIOHS28,
    FUNC_GPIOHS29,
    FUNC_GPIOHS30,
    FUNC_GPIOHS31,
    FUNC_GPIO0 = 56,
    FUNC_GPIO1,
    FUNC_GPIO2,
    FUNC_GPIO3,
    FUNC_GPIO4,
    FUNC_GPIO5,
    FUNC_GPIO6,
    FUNC_GPIO7,
    FUNC_UART1_RX = 64,
    FUNC_UART1_TX,
    FUNC_UART2_RX = 66,
    FUNC_UART2_TX,
    FUNC_UART3_RX = 68,
    FUNC_UART3_TX,
    FUNC_SPI1_D0 = 70,
    FUNC_SPI1_D1,
    FUNC_SPI1_D2,
    FUNC_SPI1_D3,
    FUNC_SPI1_D4,
    FUNC_SPI1_D5,
    FUNC_SPI1_D6,
    FUNC_SPI1_D7,
    FUNC_SPI1_SS0,
    FUNC_SPI1_SS1,
    FUNC_SPI1_SS2,
    FUNC_SPI1_SS3,
    FUNC_SPI1_ARB,
    FUNC_SPI1_SCLK,
    FUNC_SPI_SLAVE_D0 = 84,
    FUNC_SPI_SLAVE_SS,
    FUNC_SPI_SLAVE_SCLK,
    FUNC_I2S0_MCLK = 87,
    FUNC_I2S0_SCLK,
    FUNC_I2S0_WS,
    FUNC_I2S0_IN_D0,
    FUNC_I2S0_IN_D1,
    FUNC_I2S0_IN_D2,
    FUNC_I2S0_IN_D3,
    FUNC_I2S0_OUT_D0,
    FUNC_I2S0_OUT_D1,
    FUNC_I2S0_OUT_D2,
    FUNC_I2S0_OUT_D3,
    FUNC_I2S1_MCLK = 98,
    FUNC_I2S1_SCLK,
    FUNC_I2S1_WS,
    FUNC_I2S1_IN_D0,
    FUNC_I2S1_IN_D1,
    FUNC_I2S1_IN_D2,
    FUNC_I2S1_IN_D3,
    FUNC_I2S1_OUT_D0,
    FUNC_I2S1_OUT_D1,
    FUNC_I2S1_OUT_D2,
    FUNC_I2S1_OUT_D3,
    FUNC_I2S2_MCLK = 109,
    FUNC_I2S2_SCLK,
    FUNC_I2S2_WS,
    FUNC_I2S2_IN_D0,
    FUNC_I2S2_IN_D1,
    FUNC_I2S2_IN_D2,
    FUNC_I2S2_IN_D3,
    FUNC_I2S2_OUT_D0,
    FUNC_I2S2_OUT_D1,
    FUNC_I2S2_OUT_D2,
    FUNC_I2S2_OUT_D3,
    FUNC_RESV0 = 120,
    FUNC_RESV1,
    FUNC_RESV2,
    FUNC_RESV3,
    FUNC_RESV4,
    FUNC_RESV5,
    FUNC_I2C0_SCLK = 126,
    FUNC_I2C0_SDA,
    FUNC_I2C1_SCLK = 128,
    FUNC_I2C1_SDA,
    FUNC_I2C2_SCLK = 130,
    FUNC_I2C2_SDA,
    FUNC_CMOS_XCLK = 132,
    FUNC_CMOS_RST,
    FUNC_CMOS_PWDN,
    FUNC_CMOS_VSYNC,
    FUNC_CMOS_HREF,
    FUNC_CMOS_PCLK,
    FUNC_CMOS_D0,
    FUNC_CMOS_D1,
    FUNC_CMOS_D2,
    FUNC_CMOS_D3,
    FUNC_CMOS_D4,
    FUNC_CMOS_D5,
    FUNC_CMOS_D6,
    FUNC_CMOS_D7,
    FUNC_SCCB_SCLK = 146,
    FUNC_SCCB_SDA,
    FUNC_UART1_CTS = 148,
    FUNC_UART1_DSR,
    FUNC_UART1_DCD,
    FUNC_UART1_RI,
    FUNC_UART1_SIR_IN,
    FUNC_UART1_DTR,
    FUNC_UART1_RTS,
    FUNC_UART1_OUT2,
    FUNC_UART1_OUT1,
    FUNC_UART1_SIR_OUT,
    FUNC_UART1_BAUD,
    FUNC_UART1_RE,
    FUNC_UART1_DE,
    FUNC_UART1_RS485_EN,
    FUNC_UART2_CTS = 162,
    FUNC_UART2_DSR,
    FUNC_UART2_DCD,
    FUNC_UART2_RI,
    FUNC_UART2_SIR_IN,
    FUNC_UART2_DTR,
    FUNC_UART2_RTS,
    FUNC_UART2_OUT2,
    FUNC_UART2_OUT1,
    FUNC_UART2_SIR_OUT,
    FUNC_UART2_BAUD,
    FUNC_UART2_RE,
    FUNC_UART2_DE,
    FUNC_UART2_RS485_EN,
    FUNC_UART3_CTS = 176,
    FUNC_UART3_DSR,
    FUNC_UART3_DCD,
    FUNC_UART3_RI,
    FUNC_UART3_SIR_IN,
    FUNC_UART3_DTR,
    FUNC_UART3_RTS,
    FUNC_UART3_OUT2,
    FUNC_UART3_OUT1,
    FUNC_UART3_SIR_OUT,
    FUNC_UART3_BAUD,
    FUNC_UART3_RE,
    FUNC_UART3_DE,
    FUNC_UART3_RS485_EN,
    FUNC_TIMER0_TOGGLE1 = 190,
    FUNC_TIMER0_TOGGLE2,
    FUNC_TIMER0_TOGGLE3,
    FUNC_TIMER0_TOGGLE4,
    FUNC_TIMER1_TOGGLE1 = 194,
    FUNC_TIMER1_TOGGLE2,
    FUNC_TIMER1_TOGGLE3,
    FUNC_TIMER1_TOGGLE4,
    FUNC_TIMER2_TOGGLE1 = 198,
    FUNC_TIMER2_TOGGLE2,
    FUNC_TIMER2_TOGGLE3,
    FUNC_TIMER2_TOGGLE4,
    FUNC_CLK_SPI2 = 202,
    FUNC_CLK_I2C2,
    FUNC_INTERNAL0 = 204,
    FUNC_INTERNAL1,
    FUNC_INTERNAL2,
    FUNC_INTERNAL3,
    FUNC_INTERNAL4,
    FUNC_INTERNAL5,
    FUNC_INTERNAL6,
    FUNC_INTERNAL7,
    FUNC_INTERNAL8,
    FUNC_INTERNAL9,
    FUNC_INTERNAL10,
    FUNC_INTERNAL11,
    FUNC_INTERNAL12,
    FUNC_INTERNAL13,
    FUNC_INTERNAL14,
    FUNC_INTERNAL15,
    FUNC_INTERNAL16,
    FUNC_INTERNAL17,
    FUNC_CONSTANT = 222,
    FUNC_INTERNAL18 = 223,
    FUNC_DEBUG0 = 224,
    FUNC_DEBUG1,
    FUNC_DEBUG2,
    FUNC_DEBUG3,
    FUNC_DEBUG4,
    FUNC_DEBUG5,
    FUNC_DEBUG6,
    FUNC_DEBUG7,
    FUNC_DEBUG8,
    FUNC_DEBUG9,
    FUNC_DEBUG10,
    FUNC_DEBUG11,
    FUNC_DEBUG12,
    FUNC_DEBUG13,
    FUNC_DEBUG14,
    FUNC_DEBUG15,
    FUNC_DEBUG16,
    FUNC_DEBUG17,
    FUNC_DEBUG18,
    FUNC_DEBUG19,
    FUNC_DEBUG20,
    FUNC_DEBUG21,
    FUNC_DEBUG22,
    FUNC_DEBUG23,
    FUNC_DEBUG24,
    FUNC_DEBUG25,
    FUNC_DEBUG26,
    FUNC_DEBUG27,
    FUNC_DEBUG28,
    FUNC_DEBUG29,
    FUNC_DEBUG30,
    FUNC_DEBUG31,
    FUNC_MAX = 256,
} fpioa_function_t;

typedef enum {
    FPIOA_PULL_NONE,
    FPIOA_PULL_DOWN,
    FPIOA_PULL_UP,
    FPIOA_PULL_MAX,
} fpioa_pull_t;

// From about 5 mA (0) to 23 mA (7) when low; the K210 is said to ignore the highest of the four bits.
typedef enum {
    FPIOA_DRIVING_0,
    FPIOA_DRIVING_1,
    FPIOA_DRIVING_2,
    FPIOA_DRIVING_3,
    FPIOA_DRIVING_4,
    FPIOA_DRIVING_5,
    FPIOA_DRIVING_6,
    FPIOA_DRIVING_7,
    FPIOA_DRIVING_8,
    FPIOA_DRIVING_9,
    FPIOA_DRIVING_10,
    FPIOA_DRIVING_11,
    FPIOA_DRIVING_12,
    FPIOA_DRIVING_13,
    FPIOA_DRIVING_14,
    FPIOA_DRIVING_15,
    FPIOA_DRIVING_MAX,
} fpioa_driving_t;

// All functions below return 0, or -1 when a pad, function or setting does not exist.

// Clock on; inputs that no pad feeds get their rest level (the SPI arbitration inputs: high).
int fpioa_init(void);

// Puts a function on a pad with the settings that suit it, and takes it off every other pad, which
// is left without function (FUNC_RESV0: no driver, no pull).
int fpioa_set_function(int number, fpioa_function_t function);

// The same without looking at the other pads.
int fpioa_set_function_raw(int number, fpioa_function_t function);

int fpioa_get_io(int number, fpioa_io_config_t *cfg);
int fpioa_set_io(int number, fpioa_io_config_t *cfg);

// With enable 1, the function's input is what fpioa_set_tie_value() says, whatever its pad does.
int fpioa_set_tie_enable(fpioa_function_t function, int enable);
int fpioa_set_tie_value(fpioa_function_t function, int value);

// The getters return the setting, or -1.
int fpioa_set_io_pull(int number, fpioa_pull_t pull);
int fpioa_get_io_pull(int number);
int fpioa_set_io_driving(int number, fpioa_driving_t driving);
int fpioa_get_io_driving(int number);

// The lowest pad that carries the function, or -1.
int fpioa_get_io_by_function(fpioa_function_t function);

// Slew rate limit, Schmitt trigger, inverted output enable: 1 on, 0 off.
int fpioa_set_sl(int number, uint8_t sl_enable);
int fpioa_set_st(int number, uint8_t st_enable);
int fpioa_set_oe_inv(int number, uint8_t inv_enable);

#endif // K210_FPIOA_H
