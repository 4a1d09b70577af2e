#include "bsp.h"
#include "fpioa.h"
#include "line.h"
#include "pause.h"
#include "plic.h"
#include "sysctl.h"
#include "uart.h"

#define RX_PAD (4)
#define TX_PAD (5)
#define PORT ((volatile uart_t *)UART3_BASE_ADDR)

// SLIP (RFC 1055)
#define END (0xc0)
#define ESC (0xdb)
#define ESC_END (0xdc)
#define ESC_ESC (0xdd)

#define LARGEST_ERROR (50) // a fiftieth
#define SLOWEST_BAUD (9600)
#define STALL_US (20000) // a FIFO's worth at that
#define OUT_SIZE (1u << 18) // more than two replies to reads, escapes included
#define LCR_TRIES (1000)

static frame_t frames[FRAME_COUNT];
static uint32_t crc_table[256];

// How far the frame that arrives has come. `filled` and `taken` count frames and are indices modulo their number.
static struct {
    uint32_t length;
    bool escaped, bad;
    volatile uint32_t filled, taken;
} in;

// What the UART has still to send. `filled` and `sent` count bytes and are indices modulo the size.
static struct {
    uint32_t crc;
    volatile uint32_t filled, sent;
    uint8_t data[OUT_SIZE];
} out;

// ---- Receiving

static inline frame_t *arriving(void) {
    return &frames[in.filled % FRAME_COUNT];
}

// A frame has ended. One that cannot be any, or for which there is no room, leaves a mark on its successor.
static inline void close_frame(void) {
    frame_t *frame = arriving();
    if (in.bad || in.escaped || in.length < FRAME_OVERHEAD || in.filled - in.taken >= FRAME_COUNT - 1) {
        frame->damaged |= in.length > 0 || in.bad || in.escaped;
    } else {
        frame->length = in.length;
        in.filled++;
    }
    in.length = 0;
    in.bad = in.escaped = false;
}

static inline void take(uint8_t byte) {
    if (byte == END) {
        close_frame();
        return;
    }
    if (in.escaped) {
        in.escaped = false;
        in.bad |= byte != ESC_END && byte != ESC_ESC;
        byte = byte == ESC_END ? END : ESC;
    } else if (byte == ESC) {
        in.escaped = true;
        return;
    }
    if (in.length < sizeof(frames[0].data)) {
        arriving()->data[in.length++] = byte;
    } else {
        in.bad = true;
    }
}

// One byte in or out, whichever the UART is ready for; false when it is for neither.
static inline bool exchange(void) {
    uint32_t status = PORT->lsr;
    if (status & UART_LSR_DR) {
        take((uint8_t)PORT->rbr);
    } else if (out.sent != out.filled && !(status & UART_LSR_TX_FULL)) {
        PORT->rbr = out.data[out.sent % OUT_SIZE];
        out.sent++;
    } else {
        return false;
    }
    return true;
}

static inline void set_interrupts(void) {
    PORT->ier = UART_IER_PTIME | UART_IER_ERBFI | (out.sent != out.filled ? UART_IER_ETBEI : 0);
}

// Neither of these should happen, and both would come back for ever: a write to LCR that hit the UART busy, which a
// look at USR ends, and a timeout with nothing there (Linux, 8250_dw.c, dw8250_handle_irq).
static inline void end_idle_interrupt(void) {
    uint32_t cause = PORT->iir & UART_IIR_ID;
    if (cause == UART_IIR_BUSY) {
        (void)PORT->usr;
    } else if (cause == UART_IIR_TIMEOUT && !(PORT->lsr & UART_LSR_DR)) {
        (void)PORT->rbr;
    }
}

// The only interrupt that is enabled is that of the UART. Anything else is a fault of this program, from which
// a reset is the way out: the host notices that nothing answers.
__attribute__((interrupt("machine"), aligned(4), used)) void trap(void) {
    if (read_csr(mcause) != (CAUSE_INTERRUPT | IRQ_M_EXT)) {
        sysctl->soft_reset = 1;
    }
    uint32_t source = plic_irq_claim();
    if (exchange()) {
        while (exchange()) {
        }
    } else {
        end_idle_interrupt();
    }
    set_interrupts();
    plic_irq_complete(source);
}

static uint32_t crc_update(uint32_t crc, const uint8_t *data, uint32_t count) {
    while (count--) {
        crc = crc_table[(crc ^ *data++) & 0xff] ^ crc >> 8;
    }
    return crc;
}

uint32_t line_crc(const uint8_t *data, uint32_t count) {
    return ~crc_update(~0u, data, count);
}

static void fill_crc_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (unsigned bit = 0; bit < 8; bit++) {
            value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
        }
        crc_table[i] = value;
    }
}

// Over a frame and its own CRC the register always ends here.
#define CRC_RESIDUE (0xdebb20e3)

line_event_t line_next(frame_t **frame, uint64_t limit) {
    for (;;) {
        clear_csr(mstatus, MSTATUS_MIE);
        frame_t *next = &frames[in.taken % FRAME_COUNT];
        bool damaged = next->damaged, whole = in.filled != in.taken;
        next->damaged = false;
        if (!damaged && !whole) {
            if (sysctl_get_time_us() >= limit) {
                set_csr(mstatus, MSTATUS_MIE);
                return LINE_SILENT;
            }
            pause_once(limit);
            continue;
        }
        set_csr(mstatus, MSTATUS_MIE);
        if (damaged) {
            return LINE_DAMAGED;
        }
        if (crc_update(~0u, next->data, next->length) != CRC_RESIDUE) {
            in.taken++;
            return LINE_DAMAGED;
        }
        next->length -= sizeof(uint32_t);
        *frame = next;
        return LINE_FRAME;
    }
}

void line_done(void) {
    in.taken++;
}

// ---- Sending

static bool is_stalled(uint32_t *sent, uint64_t *since) {
    uint64_t now = sysctl_get_time_us();
    if (*sent != out.sent) {
        *sent = out.sent;
        *since = now;
    }
    return now - *since > STALL_US;
}

// Waits until at most `left` bytes are to be sent. They leave in the interrupt.
static void wait_sent(uint32_t left) {
    uint32_t sent = out.sent;
    uint64_t since = sysctl_get_time_us();
    while (out.filled - out.sent > left && !is_stalled(&sent, &since)) {
    }
}

static void put(uint8_t byte) {
    if (out.filled - out.sent >= OUT_SIZE) {
        wait_sent(OUT_SIZE - 1);
    }
    out.data[out.filled % OUT_SIZE] = byte;
    out.filled++;
}

void line_bytes(const void *data, uint32_t count) {
    const uint8_t *bytes = data;
    out.crc = crc_update(out.crc, bytes, count);
    for (; count; count--, bytes++) {
        if (*bytes == END || *bytes == ESC) {
            put(ESC);
            put(*bytes == END ? ESC_END : ESC_ESC);
        } else {
            put(*bytes);
        }
    }
}

void line_u32(uint32_t value) {
    line_bytes(&value, sizeof(value));
}

void line_begin(uint8_t operation, uint8_t number) {
    const uint8_t head[2] = {operation, number};
    out.crc = ~0u;
    put(END);
    line_bytes(head, sizeof(head));
}

void line_end(void) {
    line_u32(~out.crc);
    put(END);
    clear_csr(mstatus, MSTATUS_MIE);
    set_interrupts();
    set_csr(mstatus, MSTATUS_MIE);
}

void line_flush(void) {
    wait_sent(0);
    uint64_t limit = sysctl_get_time_us() + STALL_US;
    while (!(PORT->lsr & UART_LSR_TEMT) && sysctl_get_time_us() < limit) {
    }
}

// ---- Settings

static uint32_t sixteenths(uint32_t baud) {
    uint32_t clock = sysctl_clock_get_freq(SYSCTL_CLOCK_UART3);
    return baud ? (clock + baud / 2) / baud : 0;
}

uint32_t line_nearest(uint32_t baud) {
    uint32_t divider = sixteenths(baud);
    if (baud < SLOWEST_BAUD || divider < 16) {
        return 0;
    }
    uint32_t rate = sysctl_clock_get_freq(SYSCTL_CLOCK_UART3) / divider;
    uint32_t error = rate > baud ? rate - baud : baud - rate;
    return error > baud / LARGEST_ERROR ? 0 : rate;
}

// LCR is not written while a character arrives (Linux, 8250_dw.c, dw8250_check_lcr).
static void set_lcr(uint32_t lcr) {
    for (unsigned i = 0; i < LCR_TRIES; i++) {
        PORT->lcr = lcr;
        if (PORT->lcr == lcr) {
            return;
        }
        PORT->iir = UART_FCR_FIFO_EN | UART_FCR_RX_RESET | UART_FCR_TX_RESET;
        (void)PORT->rbr;
    }
}

void line_set_baud(uint32_t baud) {
    uint32_t divider = sixteenths(baud);
    line_flush();
    clear_csr(mstatus, MSTATUS_MIE);
    PORT->srr = UART_SRR_UR;
    set_lcr(UART_LCR_BITS(8) | UART_LCR_DLAB);
    PORT->rbr = divider >> 4 & 0xff;
    PORT->ier = divider >> 12;
    PORT->dlf = divider & 15;
    set_lcr(UART_LCR_BITS(8));
    (void)PORT->usr;
    PORT->iir = UART_FCR_FIFO_EN | UART_FCR_RX_RESET | UART_FCR_TX_RESET | UART_FCR_RX_TRIGGER(UART_RECEIVE_FIFO_8)
        | UART_FCR_TX_TRIGGER(UART_SEND_FIFO_8);
    set_interrupts();
    in.length = 0;
    in.bad = in.escaped = false;
    set_csr(mstatus, MSTATUS_MIE);
}

void line_init(void) {
    fill_crc_table();
    sysctl_clock_enable(SYSCTL_CLOCK_FPIOA);
    sysctl_clock_enable(SYSCTL_CLOCK_UART3);
    sysctl_reset(SYSCTL_RESET_UART3);
    // Before it listens, since nothing says what it hears without a pad.
    fpioa->io[RX_PAD] = FPIOA_CH_SEL(FUNC_UART3_RX) | FPIOA_IE_EN | FPIOA_ST;
    fpioa->io[TX_PAD] = FPIOA_CH_SEL(FUNC_UART3_TX) | FPIOA_OE_EN | FPIOA_DRIVING(15);
    plic_init();
    plic_set_priority(IRQN_UART3_INTERRUPT, 1);
    plic_irq_enable(IRQN_UART3_INTERRUPT);
    set_csr(mie, MIP_MEIP);
    line_set_baud(LINE_FIRST_BAUD);
}
