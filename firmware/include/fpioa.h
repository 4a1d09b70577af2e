// FPIOA: which function each of the 48 pads carries, and how its buffers are set.
// Registers and function numbers: Kendryte standalone SDK, fpioa.h; enable formula: Linux,
// drivers/pinctrl/pinctrl-k210.c.
#ifndef K210_FPIOA_H
#define K210_FPIOA_H

#include <stdint.h>

#include "platform.h"

#define FPIOA_NUM_IO (48)

// One word a pad.
#define FPIOA_CH_SEL(function) ((uint32_t)(function))
#define FPIOA_DRIVING(level) ((uint32_t)(level) << 8)
#define FPIOA_OE_EN (1u << 12)
#define FPIOA_OE_INV (1u << 13)
#define FPIOA_DO_SEL (1u << 14)
#define FPIOA_DO_INV (1u << 15)
#define FPIOA_PU (1u << 16)
#define FPIOA_PD (1u << 17)
#define FPIOA_IE_EN (1u << 20)
#define FPIOA_DI_INV (1u << 22)
#define FPIOA_ST (1u << 23)
#define FPIOA_PAD_DI (1u << 31)

typedef struct {
    uint32_t io[FPIOA_NUM_IO]; // 0x00
    uint32_t tie_en[8]; // 0xc0
    uint32_t tie_val[8]; // 0xe0
} fpioa_t;

#define fpioa ((volatile fpioa_t *)FPIOA_BASE_ADDR)

typedef enum {
    FUNC_UARTHS_RX = 18,
    FUNC_UARTHS_TX = 19,
} fpioa_function_t;

// Puts a function on a pad with both buffers on (the block's own enables decide), Schmitt trigger
// and full drive; no pull.
void fpioa_set_function(unsigned pad, unsigned function);

#endif // K210_FPIOA_H
