// SPI masters: SPI0, SPI1 and, wired to the flash chip, SPI3. SPI2 is a slave only and not driven here.
// Registers: Kendryte standalone SDK, spi.h, spi.c (a Synopsys DesignWare SSI).
//
// Frames of up to 8 bits lie in memory as bytes, up to 16 bits as half words, above as words; lengths
// are in bytes unless said otherwise. Short transfers are polled, all others go by DMA while the hart
// sleeps, in the channels given or, where none is given, in free ones. Buffers may lie anywhere; those
// that are not uncached words are copied on the way (see dmac.h), and then a long send can be
// interrupted for microseconds, in which the controller's own chip select goes up. A chip select that has to stay
// down is a GPIO's job. Functions that the SDK has without a result return true when all was moved, false after a time
// limit.
#ifndef K210_SPI_H
#define K210_SPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dmac.h"
#include "platform.h"
#include "plic.h"

typedef struct {
    uint32_t ctrlr0; // 0x00
    uint32_t ctrlr1; // 0x04
    uint32_t ssienr; // 0x08
    uint32_t mwcr; // 0x0c
    uint32_t ser; // 0x10
    uint32_t baudr; // 0x14
    uint32_t txftlr; // 0x18
    uint32_t rxftlr; // 0x1c
    uint32_t txflr; // 0x20
    uint32_t rxflr; // 0x24
    uint32_t sr; // 0x28
    uint32_t imr; // 0x2c
    uint32_t isr; // 0x30
    uint32_t risr; // 0x34
    uint32_t txoicr; // 0x38
    uint32_t rxoicr; // 0x3c
    uint32_t rxuicr; // 0x40
    uint32_t msticr; // 0x44
    uint32_t icr; // 0x48
    uint32_t dmacr; // 0x4c
    uint32_t dmatdlr; // 0x50
    uint32_t dmardlr; // 0x54
    uint32_t idr; // 0x58
    uint32_t ssic_version_id; // 0x5c
    uint32_t dr[36]; // 0x60
    uint32_t rx_sample_delay; // 0xf0
    uint32_t spi_ctrlr0; // 0xf4
    uint32_t resv; // 0xf8
    uint32_t xip_mode_bits; // 0xfc
    uint32_t xip_incr_inst; // 0x100
    uint32_t xip_wrap_inst; // 0x104
    uint32_t xip_ctrl; // 0x108
    uint32_t xip_ser; // 0x10c
    uint32_t xrxoicr; // 0x110
    uint32_t xip_cnt_time_out; // 0x114
    uint32_t endian; // 0x118
} spi_t;

extern volatile spi_t *const spi[4];

#define SPI_FIFO_DEPTH (32)
#define SPI_FRAMES_MAX (65536) // one reception counts no further

// sr
#define SPI_SR_BUSY (1u << 0)
#define SPI_SR_TX_NOT_FULL (1u << 1)
#define SPI_SR_TX_EMPTY (1u << 2)
#define SPI_SR_RX_NOT_EMPTY (1u << 3)

// dmacr
#define SPI_DMACR_RX (1u << 0)
#define SPI_DMACR_TX (1u << 1)

// spi_ctrlr0
#define SPI_CTRLR0_TRANS_TYPE(type) ((uint32_t)(type))
#define SPI_CTRLR0_ADDR_L(quads) ((uint32_t)(quads) << 2)
#define SPI_CTRLR0_INST_L(code) ((uint32_t)(code) << 8)
#define SPI_CTRLR0_WAIT_CYCLES(n) ((uint32_t)(n) << 11)

typedef enum _spi_device_num {
    SPI_DEVICE_0,
    SPI_DEVICE_1,
    SPI_DEVICE_2,
    SPI_DEVICE_3,
    SPI_DEVICE_MAX,
} spi_device_num_t;

typedef enum _spi_work_mode {
    SPI_WORK_MODE_0,
    SPI_WORK_MODE_1,
    SPI_WORK_MODE_2,
    SPI_WORK_MODE_3,
} spi_work_mode_t;

typedef enum _spi_frame_format { SPI_FF_STANDARD, SPI_FF_DUAL, SPI_FF_QUAD, SPI_FF_OCTAL } spi_frame_format_t;

typedef enum _spi_instruction_address_trans_mode {
    SPI_AITM_STANDARD,
    SPI_AITM_ADDR_STANDARD,
    SPI_AITM_AS_FRAME_FORMAT
} spi_instruction_address_trans_mode_t;

typedef enum _spi_transfer_mode {
    SPI_TMOD_TRANS_RECV,
    SPI_TMOD_TRANS,
    SPI_TMOD_RECV,
    SPI_TMOD_EEROM
} spi_transfer_mode_t;

typedef enum _spi_transfer_width {
    SPI_TRANS_CHAR = 0x1,
    SPI_TRANS_SHORT = 0x2,
    SPI_TRANS_INT = 0x4,
} spi_transfer_width_t;

typedef enum _spi_chip_select {
    SPI_CHIP_SELECT_0,
    SPI_CHIP_SELECT_1,
    SPI_CHIP_SELECT_2,
    SPI_CHIP_SELECT_3,
    SPI_CHIP_SELECT_MAX,
} spi_chip_select_t;

typedef struct _spi_data_t {
    dmac_channel_number_t tx_channel;
    dmac_channel_number_t rx_channel;
    uint32_t *tx_buf; // one frame a word
    size_t tx_len; // words
    uint32_t *rx_buf;
    size_t rx_len;
    spi_transfer_mode_t transfer_mode;
    bool fill_mode; // the first word of tx_buf, tx_len times
} spi_data_t;

// Clock on, format set. `endian` 1: the first byte on the wire is the frame's lowest (for frames of
// more than 8 bits). The bit rate stays, or is the clock's 20th part when it was never set.
void spi_init(spi_device_num_t spi_num, spi_work_mode_t work_mode, spi_frame_format_t frame_format,
    size_t data_bit_length, uint32_t endian);

// For frames on more than one line: bits of instruction (0, 4, 8, 16) and address (a multiple of 4 up to
// 60), the clock cycles before data are read (up to 31), and on how many lines they go.
void spi_init_non_standard(spi_device_num_t spi_num, uint32_t instruction_length, uint32_t address_length,
    uint32_t wait_cycles, spi_instruction_address_trans_mode_t instruction_address_trans_mode);

// Sets the highest rate that is at most `spi_clk` bits a second; returns it. (The SDK's can be higher.)
uint32_t spi_set_clk_rate(spi_device_num_t spi_num, uint32_t spi_clk);

// One line. `cmd_buff` goes out first.
bool spi_send_data_standard(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint8_t *cmd_buff,
    size_t cmd_len, const uint8_t *tx_buff, size_t tx_len);
bool spi_send_data_standard_dma(dmac_channel_number_t channel_num, spi_device_num_t spi_num,
    spi_chip_select_t chip_select, const uint8_t *cmd_buff, size_t cmd_len, const uint8_t *tx_buff, size_t tx_len);
bool spi_receive_data_standard(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint8_t *cmd_buff,
    size_t cmd_len, uint8_t *rx_buff, size_t rx_len);
bool spi_receive_data_standard_dma(dmac_channel_number_t dma_send_channel_num,
    dmac_channel_number_t dma_receive_channel_num, spi_device_num_t spi_num, spi_chip_select_t chip_select,
    const uint8_t *cmd_buff, size_t cmd_len, uint8_t *rx_buff, size_t rx_len);

// More lines. `cmd_buff` holds `cmd_len` words, instruction and address.
bool spi_send_data_multiple(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint32_t *cmd_buff,
    size_t cmd_len, const uint8_t *tx_buff, size_t tx_len);
bool spi_send_data_multiple_dma(dmac_channel_number_t channel_num, spi_device_num_t spi_num,
    spi_chip_select_t chip_select, const uint32_t *cmd_buff, size_t cmd_len, const uint8_t *tx_buff, size_t tx_len);
bool spi_receive_data_multiple(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint32_t *cmd_buff,
    size_t cmd_len, uint8_t *rx_buff, size_t rx_len);
bool spi_receive_data_multiple_dma(dmac_channel_number_t dma_send_channel_num,
    dmac_channel_number_t dma_receive_channel_num, spi_device_num_t spi_num, spi_chip_select_t chip_select,
    const uint32_t *cmd_buff, size_t cmd_len, uint8_t *rx_buff, size_t rx_len);

// `tx_len` frames that lie in memory in units of `spi_transfer_width`.
bool spi_send_data_normal_dma(dmac_channel_number_t channel_num, spi_device_num_t spi_num,
    spi_chip_select_t chip_select, const void *tx_buff, size_t tx_len, spi_transfer_width_t spi_transfer_width);

// The word at `tx_buff`, `tx_len` times.
bool spi_fill_data_dma(dmac_channel_number_t channel_num, spi_device_num_t spi_num, spi_chip_select_t chip_select,
    const uint32_t *tx_buff, size_t tx_len);

// Both directions at once; the longer length counts, ones go out when `tx_buf` is at its end.
bool spi_dup_send_receive_data_dma(dmac_channel_number_t dma_send_channel_num,
    dmac_channel_number_t dma_receive_channel_num, spi_device_num_t spi_num, spi_chip_select_t chip_select,
    const uint8_t *tx_buf, size_t tx_len, uint8_t *rx_buf, size_t rx_len);

// Bytes on the wire in the order of memory, for a controller that is set to frames of 32 bits with
// `endian` 0: a quarter of the work that frames of 8 bits make. `cmd_buff` holds `cmd_len` words; the
// other lengths are in bytes, multiples of 4.
bool spi_send_bytes(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint32_t *cmd_buff, size_t cmd_len,
    const uint8_t *tx_buff, size_t tx_len);
bool spi_receive_bytes(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint32_t *cmd_buff,
    size_t cmd_len, uint8_t *rx_buff, size_t rx_len);
bool spi_exchange_bytes(
    spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint8_t *tx_buff, uint8_t *rx_buff, size_t length);

// Exchanges one byte where spi_init() has set frames of 8 bits on one line; with little besides.
bool spi_exchange_byte(spi_device_num_t spi_num, spi_chip_select_t chip_select, uint8_t out, uint8_t *in);

// Any of the modes, frames as words. With `cb` it returns at once and the callback comes from the
// interrupt when all is over; the next transfer on the same controller waits for that. Both ways at
// once then takes equal lengths, and what is received an uncached buffer.
bool spi_handle_data_dma(
    spi_device_num_t spi_num, spi_chip_select_t chip_select, spi_data_t data, plic_interrupt_t *cb);

// Keeps a DMA channel for this controller from now on, so that transfers in one direction never have to
// be polled for want of one. False when none is free.
bool spi_keep_channel(spi_device_num_t spi_num);

// Stops whatever the controller does and gives up the bus.
void spi_stop(spi_device_num_t spi_num);

#endif // K210_SPI_H
