// UART1 to UART3: serial lines with 16-byte FIFOs, interrupts and DMA.
// Registers: Kendryte standalone SDK, uart.h (a Synopsys DesignWare APB UART with fractional divisor and RS-485
// unit); what the SDK leaves open: the same block in Linux, drivers/tty/serial/8250/8250_dwlib.h and 8250_dw.c.
#ifndef K210_UART_H
#define K210_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dmac.h"
#include "platform.h"
#include "plic.h"

typedef struct {
    uint32_t rbr; // 0x00: THR when written; DLL while LCR.DLAB is set
    uint32_t ier; // 0x04: DLH while LCR.DLAB is set
    uint32_t iir; // 0x08: FCR when written
    uint32_t lcr; // 0x0c
    uint32_t mcr; // 0x10
    uint32_t lsr; // 0x14
    uint32_t msr; // 0x18
    uint32_t scr; // 0x1c
    uint32_t lpdll; // 0x20
    uint32_t lpdlh; // 0x24
    uint32_t reserved0[2]; // 0x28
    uint32_t srbr[16]; // 0x30
    uint32_t far; // 0x70
    uint32_t tfr; // 0x74
    uint32_t rfw; // 0x78
    uint32_t usr; // 0x7c
    uint32_t tfl; // 0x80
    uint32_t rfl; // 0x84
    uint32_t srr; // 0x88
    uint32_t srts; // 0x8c
    uint32_t sbcr; // 0x90
    uint32_t sdmam; // 0x94
    uint32_t sfe; // 0x98
    uint32_t srt; // 0x9c
    uint32_t stet; // 0xa0
    uint32_t htx; // 0xa4
    uint32_t dmasa; // 0xa8
    uint32_t tcr; // 0xac
    uint32_t de_en; // 0xb0
    uint32_t re_en; // 0xb4
    uint32_t det; // 0xb8
    uint32_t tat; // 0xbc
    uint32_t dlf; // 0xc0
    uint32_t rar; // 0xc4
    uint32_t tar; // 0xc8
    uint32_t lcr_ext; // 0xcc
    uint32_t reserved1[9]; // 0xd0
    uint32_t cpr; // 0xf4
    uint32_t ucv; // 0xf8
    uint32_t ctr; // 0xfc
} uart_t;

extern volatile uart_t *const uart[3];

#define UART_FIFO_DEPTH (16)

#define UART_IER_ERBFI (1u << 0)
#define UART_IER_ETBEI (1u << 1)
#define UART_IER_ELSI (1u << 2)
#define UART_IER_PTIME (1u << 7)

#define UART_IIR_ID (0xfu)
#define UART_IIR_NONE (0x1u)
#define UART_IIR_THR_EMPTY (0x2u)
#define UART_IIR_RECEIVED (0x4u)
#define UART_IIR_LINE_STATUS (0x6u)
#define UART_IIR_BUSY (0x7u)
#define UART_IIR_TIMEOUT (0xcu)

#define UART_FCR_FIFO_EN (1u << 0)
#define UART_FCR_RX_RESET (1u << 1)
#define UART_FCR_TX_RESET (1u << 2)
#define UART_FCR_DMA_MODE1 (1u << 3)
#define UART_FCR_TX_TRIGGER(n) ((uint32_t)(n) << 4)
#define UART_FCR_RX_TRIGGER(n) ((uint32_t)(n) << 6)

#define UART_LCR_BITS(n) ((uint32_t)(n) - 5)
#define UART_LCR_STOP (1u << 2)
#define UART_LCR_ODD (1u << 3)
#define UART_LCR_EVEN (3u << 3)
#define UART_LCR_DLAB (1u << 7)

#define UART_MCR_SIRE (1u << 6)

#define UART_LSR_DR (1u << 0)
#define UART_LSR_OE (1u << 1)
#define UART_LSR_PE (1u << 2)
#define UART_LSR_FE (1u << 3)
#define UART_LSR_BI (1u << 4)
#define UART_LSR_TX_FULL (1u << 5) // with IER.PTIME and the FIFOs on, as here; "empty" without
#define UART_LSR_TEMT (1u << 6)

#define UART_SRR_UR (1u << 0)

#define UART_TCR_RS485_EN (1u << 0)
#define UART_TCR_RE_POL (1u << 1)
#define UART_TCR_DE_POL (1u << 2)
#define UART_TCR_XFER_MODE(n) ((uint32_t)(n) << 3)

typedef enum _uart_dev { UART_DEV1 = 0, UART_DEV2, UART_DEV3 } uart_dev_t;

typedef enum _uart_device_number {
    UART_DEVICE_1,
    UART_DEVICE_2,
    UART_DEVICE_3,
    UART_DEVICE_MAX,
} uart_device_number_t;

typedef enum _uart_bitwidth {
    UART_BITWIDTH_5BIT = 5,
    UART_BITWIDTH_6BIT,
    UART_BITWIDTH_7BIT,
    UART_BITWIDTH_8BIT,
} uart_bitwidth_t;

typedef enum _uart_stopbit { UART_STOP_1, UART_STOP_1_5, UART_STOP_2 } uart_stopbit_t;

typedef enum _uart_rede_sel { DISABLE = 0, ENABLE } uart_rede_sel_t;

typedef enum _uart_parity { UART_PARITY_NONE, UART_PARITY_ODD, UART_PARITY_EVEN } uart_parity_t;

typedef enum _uart_interrupt_mode { UART_SEND = 1, UART_RECEIVE = 2 } uart_interrupt_mode_t;

typedef enum _uart_send_trigger {
    UART_SEND_FIFO_0,
    UART_SEND_FIFO_2,
    UART_SEND_FIFO_4,
    UART_SEND_FIFO_8,
} uart_send_trigger_t;

typedef enum _uart_receive_trigger {
    UART_RECEIVE_FIFO_1,
    UART_RECEIVE_FIFO_4,
    UART_RECEIVE_FIFO_8,
    UART_RECEIVE_FIFO_14,
} uart_receive_trigger_t;

typedef struct _uart_data_t {
    dmac_channel_number_t tx_channel;
    dmac_channel_number_t rx_channel;
    uint32_t *tx_buf;
    size_t tx_len;
    uint32_t *rx_buf;
    size_t rx_len;
    uart_interrupt_mode_t transfer_mode;
} uart_data_t;

typedef enum _uart_work_mode {
    UART_NORMAL,
    UART_IRDA,
    UART_RS485_FULL_DUPLEX,
    UART_RS485_HALF_DUPLEX,
} uart_work_mode_t;

typedef enum _uart_rs485_rede { UART_RS485_DE, UART_RS485_RE, UART_RS485_REDE } uart_rs485_rede_t;

typedef enum _uart_polarity { UART_LOW, UART_HIGH } uart_polarity_t;

typedef enum _uart_det_mode { UART_DE_ASSERTION, UART_DE_DE_ASSERTION, UART_DE_ALL } uart_det_mode_t;

typedef enum _uart_tat_mode { UART_DE_TO_RE, UART_RE_TO_DE, UART_TAT_ALL } uart_tat_mode_t;

// Clock on, reset. Callbacks registered before are gone.
void uart_init(uart_device_number_t channel);

// Rate in bits a second (the divisor is rounded to sixteenths; the highest rate is APB0 / 16) and frame. What is
// being sent goes out first, what was received and not read is lost. Callbacks and triggers: the latter are as
// after uart_init(), receive at 1, send at 8. 1.5 stop bits exist with 5 data bits only, where they stand for 2 as
// well.
void uart_configure(uart_device_number_t channel, uint32_t baud_rate, uart_bitwidth_t data_width,
    uart_stopbit_t stopbit, uart_parity_t parity);

// Older name of the above.
void uart_config(uart_device_number_t channel, uint32_t baud_rate, uart_bitwidth_t data_width, uart_stopbit_t stopbit,
    uart_parity_t parity);

// Hands all to the FIFO, asleep while that is full; the last 16 characters are then still on their way. Returns
// how many it took: less than `buf_len` only when the line did not move for a second.
int uart_send_data(uart_device_number_t channel, const char *buffer, size_t buf_len);

// Takes what has been received, at most `buf_len`, without waiting. Returns how many.
int uart_receive_data(uart_device_number_t channel, char *buffer, size_t buf_len);

// True when all has left the shift register.
bool uart_is_sent(uart_device_number_t channel);

// Sleeps until all has been sent. False when that took more than `timeout_us`.
bool uart_wait_sent(uart_device_number_t channel, uint32_t timeout_us);

// Holds the line low from now on, or lets it go. Call it when all has been sent.
void uart_set_break(uart_device_number_t channel, bool low);

// Calls `uart_callback(ctx)` from the interrupt: UART_RECEIVE when there is something to read, UART_SEND when the
// transmit FIFO has fallen to its trigger after something was sent.
void uart_irq_register(uart_device_number_t channel, uart_interrupt_mode_t interrupt_mode,
    plic_irq_callback_t uart_callback, void *ctx, uint32_t priority);
void uart_irq_unregister(uart_device_number_t channel, uart_interrupt_mode_t interrupt_mode);

// FIFO levels at which the interrupts come and DMA is asked for.
void uart_set_send_trigger(uart_device_number_t channel, uart_send_trigger_t trigger);
void uart_set_receive_trigger(uart_device_number_t channel, uart_receive_trigger_t trigger);

// As uart_send_data(), by DMA.
void uart_send_data_dma(
    uart_device_number_t uart_channel, dmac_channel_number_t dmac_channel, const uint8_t *buffer, size_t buf_len);

// Sleeps until `buf_len` bytes have been received. Gives up when DMAC_WAIT_LIMIT_US pass without what is missing;
// the rest of the buffer is then as it was.
void uart_receive_data_dma(
    uart_device_number_t uart_channel, dmac_channel_number_t dmac_channel, uint8_t *buffer, size_t buf_len);

// The same without waiting: `uart_callback(ctx)` is called from the interrupt at the end. The buffer has to last
// until then. One transfer in each direction at a time.
void uart_send_data_dma_irq(uart_device_number_t uart_channel, dmac_channel_number_t dmac_channel,
    const uint8_t *buffer, size_t buf_len, plic_irq_callback_t uart_callback, void *ctx, uint32_t priority);
void uart_receive_data_dma_irq(uart_device_number_t uart_channel, dmac_channel_number_t dmac_channel, uint8_t *buffer,
    size_t buf_len, plic_irq_callback_t uart_callback, void *ctx, uint32_t priority);

// A transfer of words, a byte in each; with `cb` it is called at the end, without this sleeps until then (as
// uart_receive_data_dma() does). The callback of a send comes when the FIFO has all: see uart_is_sent().
void uart_handle_data_dma(uart_device_number_t uart_channel, uart_data_t data, plic_interrupt_t *cb);

// UART, infrared, or RS-485 with both directions (DE and RE switched by hand) or one at a time (switched by the block).
void uart_set_work_mode(uart_device_number_t uart_channel, uart_work_mode_t work_mode);

// RS-485: the active level of DE, RE or both, and whether they are active.
void uart_set_rede_polarity(uart_device_number_t uart_channel, uart_rs485_rede_t rede, uart_polarity_t polarity);
void uart_set_rede_enable(uart_device_number_t uart_channel, uart_rs485_rede_t rede, bool enable);

// RS-485: nanoseconds between the two directions, and between DE's edges and the data.
void uart_set_tat(uart_device_number_t uart_channel, uart_tat_mode_t tat_mode, size_t time);
void uart_set_det(uart_device_number_t uart_channel, uart_det_mode_t det_mode, size_t time);

#endif // K210_UART_H
