// I2S0 to I2S2: stereo audio, four data lines each, with FIFOs 16 frames deep and DMA. The chip is the controller
// that gives the clocks.
// Registers: Kendryte standalone SDK, i2s.h (a Synopsys DesignWare APB I2S with DMA fields of Kendryte's in CCR).
#ifndef K210_I2S_H
#define K210_I2S_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dmac.h"
#include "platform.h"
#include "plic.h"

#define I2S_FIFO_DEPTH (16)

typedef struct {
    uint32_t left_rxtx; // 0x00
    uint32_t right_rxtx; // 0x04
    uint32_t rer; // 0x08
    uint32_t ter; // 0x0c
    uint32_t rcr; // 0x10
    uint32_t tcr; // 0x14
    uint32_t isr; // 0x18
    uint32_t imr; // 0x1c
    uint32_t ror; // 0x20
    uint32_t tor; // 0x24
    uint32_t rfcr; // 0x28
    uint32_t tfcr; // 0x2c
    uint32_t rff; // 0x30
    uint32_t tff; // 0x34
    uint32_t reserved0[2]; // 0x38
} i2s_channel_t;

typedef struct {
    uint32_t ier; // 0x00
    uint32_t irer; // 0x04
    uint32_t iter; // 0x08
    uint32_t cer; // 0x0c
    uint32_t ccr; // 0x10
    uint32_t rxffr; // 0x14
    uint32_t txffr; // 0x18
    uint32_t reserved0; // 0x1c
    i2s_channel_t channel[4]; // 0x20
    uint32_t reserved1[40]; // 0x120
    uint32_t rxdma; // 0x1c0
    uint32_t rrxdma; // 0x1c4
    uint32_t txdma; // 0x1c8
    uint32_t rtxdma; // 0x1cc
    uint32_t reserved2[8]; // 0x1d0
    uint32_t i2s_comp_param_2; // 0x1f0
    uint32_t i2s_comp_param_1; // 0x1f4
    uint32_t i2s_comp_version_1; // 0x1f8
    uint32_t i2s_comp_type; // 0x1fc
} i2s_t;

extern volatile i2s_t *const i2s[3];

#define I2S_CCR_CLK_GATE(n) ((uint32_t)(n))
#define I2S_CCR_CLK_WORD_SIZE(n) ((uint32_t)(n) << 3)
#define I2S_CCR_ALIGN_MODE(n) ((uint32_t)(n) << 5)
#define I2S_CCR_DMA_TX_EN (1u << 8)
#define I2S_CCR_DMA_RX_EN (1u << 9)
#define I2S_CCR_DMA_DIVIDE_16 (1u << 10)
#define I2S_CCR_SIGN_EXPAND_EN (1u << 11)

#define I2S_IMR_ALL (0x33u)

typedef enum _i2s_device_number {
    I2S_DEVICE_0 = 0,
    I2S_DEVICE_1 = 1,
    I2S_DEVICE_2 = 2,
    I2S_DEVICE_MAX
} i2s_device_number_t;

typedef enum _i2s_channel_num {
    I2S_CHANNEL_0 = 0,
    I2S_CHANNEL_1 = 1,
    I2S_CHANNEL_2 = 2,
    I2S_CHANNEL_3 = 3
} i2s_channel_num_t;

#define I2S_CHANNEL_COUNT (4)

typedef enum _i2s_transmit { I2S_TRANSMITTER = 0, I2S_RECEIVER = 1 } i2s_transmit_t;

typedef enum _i2s_work_mode { STANDARD_MODE = 1, RIGHT_JUSTIFYING_MODE = 2, LEFT_JUSTIFYING_MODE = 4 } i2s_work_mode_t;

typedef enum _sclk_gating_cycles {
    NO_CLOCK_GATING = 0x0,
    CLOCK_CYCLES_12 = 0x1,
    CLOCK_CYCLES_16 = 0x2,
    CLOCK_CYCLES_20 = 0x3,
    CLOCK_CYCLES_24 = 0x4
} i2s_sclk_gating_cycles_t;

typedef enum _word_select_cycles {
    SCLK_CYCLES_16 = 0x0,
    SCLK_CYCLES_24 = 0x1,
    SCLK_CYCLES_32 = 0x2
} i2s_word_select_cycles_t;

typedef enum _word_length {
    IGNORE_WORD_LENGTH = 0x0,
    RESOLUTION_12_BIT = 0x1,
    RESOLUTION_16_BIT = 0x2,
    RESOLUTION_20_BIT = 0x3,
    RESOLUTION_24_BIT = 0x4,
    RESOLUTION_32_BIT = 0x5
} i2s_word_length_t;

typedef enum _fifo_threshold {
    TRIGGER_LEVEL_1 = 0x0,
    TRIGGER_LEVEL_2 = 0x1,
    TRIGGER_LEVEL_3 = 0x2,
    TRIGGER_LEVEL_4 = 0x3,
    TRIGGER_LEVEL_5 = 0x4,
    TRIGGER_LEVEL_6 = 0x5,
    TRIGGER_LEVEL_7 = 0x6,
    TRIGGER_LEVEL_8 = 0x7,
    TRIGGER_LEVEL_9 = 0x8,
    TRIGGER_LEVEL_10 = 0x9,
    TRIGGER_LEVEL_11 = 0xa,
    TRIGGER_LEVEL_12 = 0xb,
    TRIGGER_LEVEL_13 = 0xc,
    TRIGGER_LEVEL_14 = 0xd,
    TRIGGER_LEVEL_15 = 0xe,
    TRIGGER_LEVEL_16 = 0xf
} i2s_fifo_threshold_t;

typedef enum _i2s_transfer_mode { I2S_SEND, I2S_RECEIVE } i2s_transfer_mode_t;

typedef struct _i2s_data_t {
    dmac_channel_number_t tx_channel;
    dmac_channel_number_t rx_channel;
    uint32_t *tx_buf;
    size_t tx_len;
    uint32_t *rx_buf;
    size_t rx_len;
    i2s_transfer_mode_t transfer_mode;
    bool nowait_dma_idle; // start without waiting for the channel's last transfer
    bool wait_dma_done; // without a callback: sleep until the transfer is over
} i2s_data_t;

// Clock on, reset; one direction with DMA on the data lines in `channel_mask`, two bits (both set) a line.
void i2s_init(i2s_device_number_t device_num, i2s_transmit_t rxtx_mode, uint32_t channel_mask);

// Off: no clock leaves the block.
void i2s_deinit(i2s_device_number_t device_num);

// A data line in one direction: bits of a sample, bits of a slot, FIFO level that asks for DMA, alignment.
void i2s_rx_channel_config(i2s_device_number_t device_num, i2s_channel_num_t channel_num, i2s_word_length_t word_length,
    i2s_word_select_cycles_t word_select_size, i2s_fifo_threshold_t trigger_level, i2s_work_mode_t word_mode);
void i2s_tx_channel_config(i2s_device_number_t device_num, i2s_channel_num_t channel_num, i2s_word_length_t word_length,
    i2s_word_select_cycles_t word_select_size, i2s_fifo_threshold_t trigger_level, i2s_work_mode_t word_mode);

// Frames a second, as near as PLL2 and the divider allow; the slots have to be set before. Returns the bit clock
// in hertz that it has become.
uint32_t i2s_set_sample_rate(i2s_device_number_t device_num, uint32_t sample_rate);

// Two samples of 16 bits in a word (left low), or one sample in each, left first. -1 for no such device.
int i2s_set_dma_divide_16(i2s_device_number_t device_num, uint32_t enable);
int i2s_get_dma_divide_16(i2s_device_number_t device_num);

// Start a transfer of `buf_len` words once the channel's last one is done. Cached buffers are seen as they are now
// when they are sent, and filled by dmac_wait_done() when they receive.
void i2s_receive_data_dma(
    i2s_device_number_t device_num, uint32_t *buf, size_t buf_len, dmac_channel_number_t channel_num);
void i2s_send_data_dma(
    i2s_device_number_t device_num, const void *buf, size_t buf_len, dmac_channel_number_t channel_num);

// Starts a transfer; with `cb` it is called at the end.
void i2s_handle_data_dma(i2s_device_number_t device_num, i2s_data_t data, plic_interrupt_t *cb);

// Plays PCM, `frame` frames a transfer, and sleeps until all is in the FIFO: 16, 24 or 32 bits, 1 or 2 tracks. A
// single track goes to the left.
void i2s_play(i2s_device_number_t device_num, dmac_channel_number_t channel_num, const uint8_t *buf, size_t buf_len,
    size_t frame, size_t bits_per_sample, uint8_t track_num);

#endif // K210_I2S_H
