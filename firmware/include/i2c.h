// I2C0 to I2C2: controller (master) and target (slave), FIFOs 8 deep.
// Registers: Kendryte standalone SDK, i2c.h (a Synopsys DesignWare APB I2C); what the SDK leaves open, as the exact
// length of a clock period and when registers may change: the same block in Linux,
// drivers/i2c/busses/i2c-designware-common.c and i2c-designware-master.c.
//
// The block makes a STOP by itself when its FIFO runs empty and cannot send an address alone. So a transfer is one
// call, all its commands are fed from the interrupt, and i2c_probe() moves the wires by hand (i2c_lines.h).
#ifndef K210_I2C_H
#define K210_I2C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dmac.h"
#include "platform.h"

#define I2C_MAX_NUM (3)
#define I2C_FIFO_DEPTH (8)

typedef struct {
    uint32_t con; // 0x00
    uint32_t tar; // 0x04
    uint32_t sar; // 0x08
    uint32_t reserved0; // 0x0c
    uint32_t data_cmd; // 0x10
    uint32_t ss_scl_hcnt; // 0x14
    uint32_t ss_scl_lcnt; // 0x18
    uint32_t reserved1[4]; // 0x1c
    uint32_t intr_stat; // 0x2c
    uint32_t intr_mask; // 0x30
    uint32_t raw_intr_stat; // 0x34
    uint32_t rx_tl; // 0x38
    uint32_t tx_tl; // 0x3c
    uint32_t clr_intr; // 0x40
    uint32_t clr_rx_under; // 0x44
    uint32_t clr_rx_over; // 0x48
    uint32_t clr_tx_over; // 0x4c
    uint32_t clr_rd_req; // 0x50
    uint32_t clr_tx_abrt; // 0x54
    uint32_t clr_rx_done; // 0x58
    uint32_t clr_activity; // 0x5c
    uint32_t clr_stop_det; // 0x60
    uint32_t clr_start_det; // 0x64
    uint32_t clr_gen_call; // 0x68
    uint32_t enable; // 0x6c
    uint32_t status; // 0x70
    uint32_t txflr; // 0x74
    uint32_t rxflr; // 0x78
    uint32_t sda_hold; // 0x7c
    uint32_t tx_abrt_source; // 0x80
    uint32_t reserved2; // 0x84
    uint32_t dma_cr; // 0x88
    uint32_t dma_tdlr; // 0x8c
    uint32_t dma_rdlr; // 0x90
    uint32_t sda_setup; // 0x94
    uint32_t general_call; // 0x98
    uint32_t enable_status; // 0x9c
    uint32_t fs_spklen; // 0xa0
    uint32_t reserved3[20]; // 0xa4
    uint32_t comp_param_1; // 0xf4
    uint32_t comp_version; // 0xf8
    uint32_t comp_type; // 0xfc
} i2c_t;

extern volatile i2c_t *const i2c[3];

#define I2C_CON_MASTER_MODE (1u << 0)
#define I2C_CON_SPEED(n) ((uint32_t)(n) << 1)
#define I2C_CON_10BITADDR_SLAVE (1u << 3)
#define I2C_CON_RESTART_EN (1u << 5)
#define I2C_CON_SLAVE_DISABLE (1u << 6)
#define I2C_CON_STOP_DET_IFADDRESSED (1u << 7)
#define I2C_CON_TX_EMPTY_CTRL (1u << 8)

#define I2C_TAR_ADDRESS(n) ((uint32_t)(n))
#define I2C_TAR_10BITADDR_MASTER (1u << 12)
#define I2C_SAR_ADDRESS(n) ((uint32_t)(n))

#define I2C_DATA_CMD_CMD (1u << 8) // read
#define I2C_DATA_CMD_DATA(n) ((uint32_t)(n))

// intr_stat, intr_mask and raw_intr_stat
#define I2C_INTR_STAT_RX_UNDER (1u << 0)
#define I2C_INTR_STAT_RX_OVER (1u << 1)
#define I2C_INTR_STAT_RX_FULL (1u << 2)
#define I2C_INTR_STAT_TX_OVER (1u << 3)
#define I2C_INTR_STAT_TX_EMPTY (1u << 4)
#define I2C_INTR_STAT_RD_REQ (1u << 5)
#define I2C_INTR_STAT_TX_ABRT (1u << 6)
#define I2C_INTR_STAT_RX_DONE (1u << 7)
#define I2C_INTR_STAT_ACTIVITY (1u << 8)
#define I2C_INTR_STAT_STOP_DET (1u << 9)
#define I2C_INTR_STAT_START_DET (1u << 10)
#define I2C_INTR_STAT_GEN_CALL (1u << 11)

#define I2C_ENABLE_ENABLE (1u << 0)
#define I2C_ENABLE_ABORT (1u << 1)

#define I2C_STATUS_ACTIVITY (1u << 0)
#define I2C_STATUS_TFNF (1u << 1)
#define I2C_STATUS_TFE (1u << 2)
#define I2C_STATUS_RFNE (1u << 3)

#define I2C_TX_ABRT_SOURCE_7B_ADDR_NOACK (1u << 0)
#define I2C_TX_ABRT_SOURCE_10B_ADDR1_NOACK (1u << 1)
#define I2C_TX_ABRT_SOURCE_10B_ADDR2_NOACK (1u << 2)
#define I2C_TX_ABRT_SOURCE_TXDATA_NOACK (1u << 3)
#define I2C_TX_ABRT_SOURCE_GCALL_NOACK (1u << 4)
#define I2C_TX_ABRT_SOURCE_MST_ARBLOST (1u << 12)

#define I2C_DMA_CR_RDMAE (1u << 0)
#define I2C_DMA_CR_TDMAE (1u << 1)

typedef enum _i2c_device_number {
    I2C_DEVICE_0,
    I2C_DEVICE_1,
    I2C_DEVICE_2,
    I2C_DEVICE_MAX,
} i2c_device_number_t;

typedef enum _i2c_bus_speed_mode { I2C_BS_STANDARD, I2C_BS_FAST, I2C_BS_HIGHSPEED } i2c_bus_speed_mode_t;

typedef enum _i2c_event { I2C_EV_START, I2C_EV_RESTART, I2C_EV_STOP } i2c_event_t;

// Called from the interrupt of a target.
typedef struct _i2c_slave_handler {
    void (*on_receive)(uint32_t data); // a byte from the controller
    uint32_t (*on_transmit)(void); // the byte for it; the clock is held meanwhile
    void (*on_event)(i2c_event_t event);
} i2c_slave_handler_t;

typedef enum _i2c_transfer_mode { I2C_SEND, I2C_RECEIVE } i2c_transfer_mode_t;

typedef struct _i2c_data_t {
    dmac_channel_number_t tx_channel;
    dmac_channel_number_t rx_channel;
    uint32_t *tx_buf;
    size_t tx_len;
    uint32_t *rx_buf;
    size_t rx_len;
    i2c_transfer_mode_t transfer_mode;
} i2c_data_t;

// How a transfer ended.
typedef enum {
    I2C_OK = 0,
    I2C_NO_ADDRESS_ACK, // nobody answers at this address
    I2C_NO_DATA_ACK, // the target refused a byte
    I2C_ARBITRATION_LOST, // another controller was faster
    I2C_UNDERRUN, // interrupts came too late: the block sent a STOP before it had all commands
    I2C_TIMED_OUT, // the limit passed; the bus was given up
    I2C_BUS_STUCK, // somebody holds a wire low, also after nine clocks
} i2c_result_t;

// A part of a transfer: bytes to send, or room for bytes to receive.
typedef struct {
    uint8_t *data;
    size_t length;
    bool read;
} i2c_segment_t;

// Controller, for a target at `slave_address` of 7 or 10 bits, at most `i2c_clk` hertz (10 kHz to 1 MHz; other
// rates become the nearest of these). The pads are routed with fpioa_set_function().
void i2c_init(i2c_device_number_t i2c_num, uint32_t slave_address, uint32_t address_width, uint32_t i2c_clk);

// Another address (of the same width) for what follows. To be called between transfers.
void i2c_set_address(i2c_device_number_t i2c_num, uint32_t slave_address);

// One transfer: START, all segments in turn with a repeated START where the direction changes, STOP. Without any
// byte it does nothing. Sleeps until it is over, at most `timeout_us`.
i2c_result_t i2c_transfer(
    i2c_device_number_t i2c_num, const i2c_segment_t *segments, size_t count, uint32_t timeout_us);

// Whether somebody acknowledges `address` (7 bits): START, address for writing, STOP. At most 100 kHz.
i2c_result_t i2c_probe(i2c_device_number_t i2c_num, uint32_t address);

// Gets a target to let go of a wire: up to nine clocks and a STOP. False when a wire stays low.
bool i2c_recover(i2c_device_number_t i2c_num);

// Sends, at most a second plus ten times the bytes' time. 0, or an i2c_result_t.
int i2c_send_data(i2c_device_number_t i2c_num, const uint8_t *send_buf, size_t send_buf_len);

// Sends, unless `send_buf_len` is 0, and after a repeated START receives. 0, or an i2c_result_t.
int i2c_recv_data(i2c_device_number_t i2c_num, const uint8_t *send_buf, size_t send_buf_len, uint8_t *receive_buf,
    size_t receive_buf_len);

// The same with DMA feeding the FIFO. What went wrong is in i2c[i2c_num]->tx_abrt_source; the next transfer clears it.
void i2c_send_data_dma(
    dmac_channel_number_t dma_channel_num, i2c_device_number_t i2c_num, const uint8_t *send_buf, size_t send_buf_len);
void i2c_recv_data_dma(dmac_channel_number_t dma_send_channel_num, dmac_channel_number_t dma_receive_channel_num,
    i2c_device_number_t i2c_num, const uint8_t *send_buf, size_t send_buf_len, uint8_t *receive_buf,
    size_t receive_buf_len);

// A transfer of words, a byte in each; with `cb` it is called at the end, without this sleeps until then.
void i2c_handle_data_dma(i2c_device_number_t i2c_num, i2c_data_t data, plic_interrupt_t *cb);

// Target at `slave_address` of 7 or 10 bits.
void i2c_init_as_slave(
    i2c_device_number_t i2c_num, uint32_t slave_address, uint32_t address_width, const i2c_slave_handler_t *handler);

// Off: wires let go, no interrupt.
void i2c_deinit(i2c_device_number_t i2c_num);

#endif // K210_I2C_H
