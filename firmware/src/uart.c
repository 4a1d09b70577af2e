#include <string.h>

#include "bsp.h"
#include "iomem.h"
#include "sleep.h"
#include "sysctl.h"
#include "uart.h"

#define STALL_US (1000000u) // a line that takes nothing for so long is given up
#define DMA_CHUNK (256) // bytes that one DMA transfer moves; a word each
#define SIXTEENTHS (16)

_Static_assert(offsetof(uart_t, far) == 0x70 && offsetof(uart_t, srr) == 0x88 && offsetof(uart_t, dlf) == 0xc0
        && offsetof(uart_t, ctr) == 0xfc,
    "uart_t");

volatile uart_t *const uart[3] = {
    (volatile uart_t *)UART1_BASE_ADDR,
    (volatile uart_t *)UART2_BASE_ADDR,
    (volatile uart_t *)UART3_BASE_ADDR,
};

typedef struct {
    plic_irq_callback_t callback;
    void *ctx;
} handler_t;

static void call(const handler_t *handler) {
    if (handler->callback != NULL) {
        handler->callback(handler->ctx);
    }
}

static struct {
    handler_t send, receive;
    bool used; // something was sent, so that an empty FIFO is news
    const char *volatile out; // what uart_send_data() has still to hand over
    volatile size_t left;
    volatile bool taken; // a byte of it at least, since this was last looked at
} state[UART_DEVICE_MAX];

// ---- Settings

void uart_init(uart_device_number_t channel) {
    plic_irq_disable(IRQN_UART1_INTERRUPT + channel);
    memset(&state[channel], 0, sizeof(state[channel]));
    sysctl_clock_enable(SYSCTL_CLOCK_UART1 + channel);
    sysctl_reset(SYSCTL_RESET_UART1 + channel);
}

bool uart_is_sent(uart_device_number_t channel) {
    return uart[channel]->lsr & UART_LSR_TEMT;
}

bool uart_wait_sent(uart_device_number_t channel, uint32_t timeout_us) {
    const uint32_t step = 10;
    for (uint32_t waited = 0; !uart_is_sent(channel); waited += step) {
        if (waited >= timeout_us) {
            return false;
        }
        usleep(step);
    }
    return true;
}

// LCR cannot be written while the UART is busy: sending, receiving, or holding received data (Linux,
// drivers/tty/serial/8250/8250_dw.c, dw8250_check_lcr). False when it stays so.
static bool set_lcr(uart_device_number_t channel, uint32_t lcr) {
    for (unsigned tries = 0; tries < 1000; tries++) {
        uart[channel]->lcr = lcr;
        if (uart[channel]->lcr == lcr) {
            return true;
        }
        uart[channel]->iir = UART_FCR_FIFO_EN | UART_FCR_RX_RESET | UART_FCR_TX_RESET;
        (void)uart[channel]->rbr;
        usleep(10);
    }
    return false;
}

static void set_rate_and_frame(uart_device_number_t channel, uint32_t sixteenths, uint32_t lcr) {
    if (!set_lcr(channel, lcr | UART_LCR_DLAB)) {
        uart[channel]->srr = UART_SRR_UR; // a line that never rests: only a reset helps
        set_lcr(channel, lcr | UART_LCR_DLAB);
    }
    uart[channel]->ier = sixteenths >> 12;
    uart[channel]->rbr = sixteenths >> 4 & 0xff;
    uart[channel]->dlf = sixteenths % SIXTEENTHS;
    set_lcr(channel, lcr);
}

static void write_ier(uart_device_number_t channel) {
    uint32_t ier = UART_IER_PTIME;
    if (state[channel].receive.callback != NULL) {
        ier |= UART_IER_ERBFI;
    }
    if (state[channel].send.callback != NULL || state[channel].left > 0) {
        ier |= UART_IER_ETBEI;
    }
    uart[channel]->ier = ier;
}

void uart_configure(uart_device_number_t channel, uint32_t baud_rate, uart_bitwidth_t data_width,
    uart_stopbit_t stopbit, uart_parity_t parity) {
    static const uint32_t parities[] = {0, UART_LCR_ODD, UART_LCR_EVEN};
    uint32_t clock = sysctl_clock_get_freq(SYSCTL_CLOCK_APB0);
    uint32_t sixteenths = (clock + baud_rate / 2) / (baud_rate > 0 ? baud_rate : 1);
    if (sixteenths < SIXTEENTHS) {
        sixteenths = SIXTEENTHS; // below one the rate generator stands still
    } else if (sixteenths > 0xfffff) {
        sixteenths = 0xfffff;
    }
    uart_wait_sent(channel, STALL_US);
    set_rate_and_frame(channel, sixteenths,
        UART_LCR_BITS(data_width) | (stopbit == UART_STOP_1 ? 0 : UART_LCR_STOP) | parities[parity]);
    uart[channel]->iir = UART_FCR_FIFO_EN | UART_FCR_RX_RESET | UART_FCR_TX_RESET | UART_FCR_DMA_MODE1
        | UART_FCR_TX_TRIGGER(UART_SEND_FIFO_8) | UART_FCR_RX_TRIGGER(UART_RECEIVE_FIFO_1);
    write_ier(channel);
}

void uart_config(uart_device_number_t channel, uint32_t baud_rate, uart_bitwidth_t data_width, uart_stopbit_t stopbit,
    uart_parity_t parity) {
    uart_configure(channel, baud_rate, data_width, stopbit, parity);
}

void uart_set_send_trigger(uart_device_number_t channel, uart_send_trigger_t trigger) {
    uart[channel]->stet = trigger;
}

void uart_set_receive_trigger(uart_device_number_t channel, uart_receive_trigger_t trigger) {
    uart[channel]->srt = trigger;
}

void uart_set_break(uart_device_number_t channel, bool low) {
    uart[channel]->sbcr = low; // LCR's bit does the same, but cannot be written while data is coming in
}

// ---- Interrupts

static void feed(uart_device_number_t channel) {
    while (state[channel].left > 0 && !(uart[channel]->lsr & UART_LSR_TX_FULL)) {
        uart[channel]->rbr = (uint8_t)*state[channel].out;
        state[channel].out++;
        state[channel].left--;
        state[channel].taken = true;
    }
}

static int handle_irq(void *ctx) {
    uart_device_number_t channel = (uart_device_number_t)(uintptr_t)ctx;
    switch (uart[channel]->iir & UART_IIR_ID) {
        case UART_IIR_THR_EMPTY:
            if (state[channel].left > 0) {
                feed(channel);
                write_ier(channel);
            } else if (state[channel].used) {
                call(&state[channel].send);
            }
            break;
        case UART_IIR_RECEIVED:
        case UART_IIR_TIMEOUT:
            call(&state[channel].receive);
            break;
        case UART_IIR_LINE_STATUS:
            (void)uart[channel]->lsr;
            break;
        case UART_IIR_BUSY:
            (void)uart[channel]->usr; // LCR was written at a bad time; set_lcr() sees to it
            break;
        default:
            break;
    }
    return 0;
}

static void enable_irq(uart_device_number_t channel, uint32_t priority) {
    plic_set_priority(IRQN_UART1_INTERRUPT + channel, priority);
    plic_irq_register(IRQN_UART1_INTERRUPT + channel, handle_irq, (void *)(uintptr_t)channel);
    plic_irq_enable(IRQN_UART1_INTERRUPT + channel);
}

static handler_t *handler_of(uart_device_number_t channel, uart_interrupt_mode_t mode) {
    return mode == UART_SEND ? &state[channel].send : &state[channel].receive;
}

void uart_irq_register(uart_device_number_t channel, uart_interrupt_mode_t interrupt_mode,
    plic_irq_callback_t uart_callback, void *ctx, uint32_t priority) {
    uint64_t before = bsp_irq_save();
    *handler_of(channel, interrupt_mode) = (handler_t){uart_callback, ctx};
    if (interrupt_mode == UART_SEND) {
        state[channel].used = !uart_is_sent(channel);
    }
    write_ier(channel);
    enable_irq(channel, priority);
    bsp_irq_restore(before);
}

void uart_irq_unregister(uart_device_number_t channel, uart_interrupt_mode_t interrupt_mode) {
    uint64_t before = bsp_irq_save();
    *handler_of(channel, interrupt_mode) = (handler_t){NULL, NULL};
    write_ier(channel);
    if (uart[channel]->ier == UART_IER_PTIME) {
        plic_irq_unregister(IRQN_UART1_INTERRUPT + channel);
    }
    bsp_irq_restore(before);
}

// ---- Data

int uart_receive_data(uart_device_number_t channel, char *buffer, size_t buf_len) {
    size_t count = 0;
    while (count < buf_len && uart[channel]->lsr & UART_LSR_DR) {
        buffer[count++] = (char)uart[channel]->rbr;
    }
    return (int)count;
}

// The FIFO is full. With interrupts on, their handler goes on filling it; without, as in a callback, this does.
static bool wait_taken(uart_device_number_t channel) {
    if (read_csr(mstatus) & MSTATUS_MIE) {
        return bsp_wait(&state[channel].taken, STALL_US);
    }
    uint64_t cycles = (uint64_t)STALL_US * (sysctl_clock_get_freq(SYSCTL_CLOCK_CPU) / 1000000);
    for (uint64_t start = read_cycle(); !state[channel].taken && read_cycle() - start < cycles;) {
        feed(channel);
    }
    return state[channel].taken;
}

int uart_send_data(uart_device_number_t channel, const char *buffer, size_t buf_len) {
    uint64_t before = bsp_irq_save();
    state[channel].out = buffer;
    state[channel].left = buf_len;
    state[channel].used = true;
    feed(channel);
    if (state[channel].left > 0) {
        write_ier(channel);
        enable_irq(channel, 1);
    }
    bsp_irq_restore(before);
    do {
        state[channel].taken = false;
    } while (state[channel].left > 0 && wait_taken(channel));
    before = bsp_irq_save();
    size_t missing = state[channel].left;
    state[channel].left = 0;
    write_ier(channel);
    bsp_irq_restore(before);
    return (int)(buf_len - missing);
}

// ---- DMA. The FIFO registers are words on the bus, so every byte takes one: long transfers go chunk by chunk
// through memory that both the processor and the DMAC see.

typedef struct {
    uart_device_number_t channel;
    uart_interrupt_mode_t mode;
    dmac_channel_number_t dma_channel;
    uint8_t *at;
    size_t left, chunk;
    uint32_t *words;
    handler_t handler;
} transfer_t;

static uint32_t words[UART_DEVICE_MAX][2][DMA_CHUNK] IOMEM;
static transfer_t transfers[UART_DEVICE_MAX][2];

static void move_words(uart_device_number_t channel, uart_interrupt_mode_t mode, dmac_channel_number_t dma_channel,
    uint32_t *buffer, size_t count) {
    bool send = mode == UART_SEND;
    sysctl_dma_select((sysctl_dma_channel_t)dma_channel,
        (send ? SYSCTL_DMA_SELECT_UART1_TX_REQ : SYSCTL_DMA_SELECT_UART1_RX_REQ) + 2 * channel);
    void *fifo = (void *)&uart[channel]->rbr;
    dmac_set_single_mode(dma_channel, send ? buffer : fifo, send ? fifo : buffer,
        send ? DMAC_ADDR_INCREMENT : DMAC_ADDR_NOCHANGE, send ? DMAC_ADDR_NOCHANGE : DMAC_ADDR_INCREMENT, DMAC_MSIZE_1,
        DMAC_TRANS_WIDTH_32, count);
}

static transfer_t *begin(uart_device_number_t channel, uart_interrupt_mode_t mode, dmac_channel_number_t dma_channel,
    uint8_t *buffer, size_t count) {
    transfer_t *transfer = &transfers[channel][mode == UART_SEND];
    *transfer = (transfer_t){
        .channel = channel,
        .mode = mode,
        .dma_channel = dma_channel,
        .at = buffer,
        .left = count,
        .words = words[channel][mode == UART_SEND],
    };
    return transfer;
}

static void start_chunk(transfer_t *transfer) {
    transfer->chunk = transfer->left < DMA_CHUNK ? transfer->left : DMA_CHUNK;
    if (transfer->mode == UART_SEND) {
        for (size_t i = 0; i < transfer->chunk; i++) {
            transfer->words[i] = transfer->at[i];
        }
    }
    move_words(transfer->channel, transfer->mode, transfer->dma_channel, transfer->words, transfer->chunk);
}

static void finish_chunk(transfer_t *transfer) {
    if (transfer->mode == UART_RECEIVE) {
        for (size_t i = 0; i < transfer->chunk; i++) {
            transfer->at[i] = (uint8_t)transfer->words[i];
        }
    }
    transfer->at += transfer->chunk;
    transfer->left -= transfer->chunk;
}

static void run(transfer_t *transfer) {
    while (transfer->left > 0) {
        start_chunk(transfer);
        if (!dmac_wait_done_timeout(transfer->dma_channel, DMAC_WAIT_LIMIT_US)) {
            return;
        }
        finish_chunk(transfer);
    }
}

static int chunk_done(void *ctx) {
    transfer_t *transfer = ctx;
    finish_chunk(transfer);
    if (transfer->left > 0) {
        start_chunk(transfer);
    } else {
        dmac_irq_unregister(transfer->dma_channel);
        call(&transfer->handler);
    }
    return 0;
}

static void run_with_irq(transfer_t *transfer, plic_irq_callback_t callback, void *ctx, uint32_t priority) {
    transfer->handler = (handler_t){callback, ctx};
    dmac_irq_register(transfer->dma_channel, chunk_done, transfer, priority);
    start_chunk(transfer);
}

void uart_send_data_dma(
    uart_device_number_t uart_channel, dmac_channel_number_t dmac_channel, const uint8_t *buffer, size_t buf_len) {
    run(begin(uart_channel, UART_SEND, dmac_channel, (uint8_t *)buffer, buf_len));
}

void uart_receive_data_dma(
    uart_device_number_t uart_channel, dmac_channel_number_t dmac_channel, uint8_t *buffer, size_t buf_len) {
    run(begin(uart_channel, UART_RECEIVE, dmac_channel, buffer, buf_len));
}

void uart_send_data_dma_irq(uart_device_number_t uart_channel, dmac_channel_number_t dmac_channel,
    const uint8_t *buffer, size_t buf_len, plic_irq_callback_t uart_callback, void *ctx, uint32_t priority) {
    run_with_irq(
        begin(uart_channel, UART_SEND, dmac_channel, (uint8_t *)buffer, buf_len), uart_callback, ctx, priority);
}

void uart_receive_data_dma_irq(uart_device_number_t uart_channel, dmac_channel_number_t dmac_channel, uint8_t *buffer,
    size_t buf_len, plic_irq_callback_t uart_callback, void *ctx, uint32_t priority) {
    run_with_irq(begin(uart_channel, UART_RECEIVE, dmac_channel, buffer, buf_len), uart_callback, ctx, priority);
}

static int words_done(void *ctx) {
    transfer_t *transfer = ctx;
    dmac_irq_unregister(transfer->dma_channel);
    call(&transfer->handler);
    return 0;
}

void uart_handle_data_dma(uart_device_number_t uart_channel, uart_data_t data, plic_interrupt_t *cb) {
    bool send = data.transfer_mode == UART_SEND;
    dmac_channel_number_t dma_channel = send ? data.tx_channel : data.rx_channel;
    transfer_t *transfer = begin(uart_channel, data.transfer_mode, dma_channel, NULL, 0);
    if (cb != NULL) {
        transfer->handler = (handler_t){cb->callback, cb->ctx};
        dmac_irq_register(dma_channel, words_done, transfer, cb->priority);
    }
    move_words(uart_channel, data.transfer_mode, dma_channel, send ? data.tx_buf : data.rx_buf,
        send ? data.tx_len : data.rx_len);
    if (cb == NULL && dmac_wait_done_timeout(dma_channel, DMAC_WAIT_LIMIT_US) && send) {
        uart_wait_sent(uart_channel, STALL_US);
    }
}

// ---- Infrared and RS-485

static void change(volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    *reg = (*reg & ~mask) | value;
}

void uart_set_work_mode(uart_device_number_t uart_channel, uart_work_mode_t work_mode) {
    volatile uart_t *block = uart[uart_channel];
    bool half = work_mode == UART_RS485_HALF_DUPLEX;
    bool rs485 = half || work_mode == UART_RS485_FULL_DUPLEX;
    change(&block->mcr, UART_MCR_SIRE, work_mode == UART_IRDA ? UART_MCR_SIRE : 0);
    change(&block->tcr, UART_TCR_RS485_EN | UART_TCR_XFER_MODE(3),
        (rs485 ? UART_TCR_RS485_EN : 0) | UART_TCR_XFER_MODE(half ? 2 : 0));
    if (half) {
        block->de_en = 1;
        block->re_en = 1;
    }
}

void uart_set_rede_polarity(uart_device_number_t uart_channel, uart_rs485_rede_t rede, uart_polarity_t polarity) {
    uint32_t mask = (rede == UART_RS485_RE ? 0 : UART_TCR_DE_POL) | (rede == UART_RS485_DE ? 0 : UART_TCR_RE_POL);
    change(&uart[uart_channel]->tcr, mask, polarity == UART_HIGH ? mask : 0);
}

void uart_set_rede_enable(uart_device_number_t uart_channel, uart_rs485_rede_t rede, bool enable) {
    if (rede != UART_RS485_RE) {
        uart[uart_channel]->de_en = enable;
    }
    if (rede != UART_RS485_DE) {
        uart[uart_channel]->re_en = enable;
    }
}

// Clocks of APB0 that last at least `time` nanoseconds, at most `most`.
static uint32_t clocks(size_t time, uint32_t most) {
    uint64_t count = (uint64_t)time * sysctl_clock_get_freq(SYSCTL_CLOCK_APB0) / 1000000000 + 1;
    return count > most ? most : (uint32_t)count;
}

// Two times of `width` bits, the second one at bit 16; `which` 0 sets the first, 1 the second, 2 both.
static void set_times(volatile uint32_t *reg, unsigned which, unsigned width, uint32_t value) {
    uint32_t field = (1u << width) - 1;
    uint32_t mask = (which == 1 ? 0 : field) | (which == 0 ? 0 : field << 16);
    change(reg, mask, (value | value << 16) & mask);
}

void uart_set_det(uart_device_number_t uart_channel, uart_det_mode_t det_mode, size_t time) {
    set_times(&uart[uart_channel]->det, det_mode, 8, clocks(time, 0xff));
}

void uart_set_tat(uart_device_number_t uart_channel, uart_tat_mode_t tat_mode, size_t time) {
    set_times(&uart[uart_channel]->tat, tat_mode, 16, clocks(time, 0x10000) - 1); // the register counts from 0
}
