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
#define SENT_LIMIT_US (20000) // a FIFO's worth at 9600 baud
#define LCR_TRIES (1000)

static frame_t frames[FRAME_COUNT];
static uint32_t crc_table[256];

// How far the frame that arrives has come. `filled` and `taken` count frames and are indices modulo their number.
static struct {
    uint32_t length;
    bool escaped, bad;
    volatile uint32_t filled, taken;
} in;

static uint32_t crc_sent;

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

// The only interrupt that is enabled is that of the UART. Anything else is a fault of this program, from which
// a reset is the way out: the host notices that nothing answers.
__attribute__((interrupt("machine"), aligned(4), used)) void trap(void) {
    if (read_csr(mcause) != (CAUSE_INTERRUPT | IRQ_M_EXT)) {
        sysctl->soft_reset = 1;
    }
    uint32_t source = plic_irq_claim();
    uint32_t status = PORT->lsr;
    if (!(status & UART_LSR_DR)) {
        // Neither of these should happen, and both would come back for ever: a write to LCR that hit the UART busy,
        // which a look at USR ends, and a timeout with nothing there (Linux, 8250_dw.c, dw8250_handle_irq).
        (void)PORT->usr;
        (void)PORT->rbr;
    }
    for (; status & UART_LSR_DR; status = PORT->lsr) {
        take((uint8_t)PORT->rbr);
    }
    plic_irq_complete(source);
}

static uint32_t crc_update(uint32_t crc, const uint8_t *data, uint32_t count) {
    while (count--) {
        crc = crc_table[(crc ^ *data++) & 0xff] ^ crc >> 8;
    }
    return crc;
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

static void wait_while(uint32_t mask, uint32_t value) {
    if ((PORT->lsr & mask) == value) {
        uint64_t limit = sysctl_get_time_us() + SENT_LIMIT_US;
        while ((PORT->lsr & mask) == value && sysctl_get_time_us() < limit) {
        }
    }
}

static void put(uint8_t byte) {
    wait_while(UART_LSR_TX_FULL, UART_LSR_TX_FULL);
    PORT->rbr = byte;
}

void line_bytes(const void *data, uint32_t count) {
    const uint8_t *bytes = data;
    crc_sent = crc_update(crc_sent, bytes, count);
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
    crc_sent = ~0u;
    put(END);
    line_bytes(head, sizeof(head));
}

void line_end(void) {
    line_u32(~crc_sent);
    put(END);
}

void line_flush(void) {
    wait_while(UART_LSR_TEMT, 0);
}

// ---- Settings

static uint32_t sixteenths(uint32_t baud) {
    uint32_t clock = sysctl_clock_get_freq(SYSCTL_CLOCK_UART3);
    return baud ? (clock + baud / 2) / baud : 0;
}

uint32_t line_nearest(uint32_t baud) {
    uint32_t divider = sixteenths(baud);
    if (divider < 16 || divider > 0xfffff) {
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
    PORT->iir = UART_FCR_FIFO_EN | UART_FCR_RX_RESET | UART_FCR_TX_RESET | UART_FCR_RX_TRIGGER(UART_RECEIVE_FIFO_8);
    PORT->ier = UART_IER_PTIME | UART_IER_ERBFI;
    in.length = 0;
    in.bad = in.escaped = false;
    set_csr(mstatus, MSTATUS_MIE);
}

void line_init(void) {
    fill_crc_table();
    sysctl_clock_enable(SYSCTL_CLOCK_FPIOA);
    sysctl_clock_enable(SYSCTL_CLOCK_UART3);
    sysctl_reset(SYSCTL_RESET_UART3);
    plic_init();
    plic_set_priority(IRQN_UART3_INTERRUPT, 1);
    plic_irq_enable(IRQN_UART3_INTERRUPT);
    set_csr(mie, MIP_MEIP);
    line_set_baud(LINE_FIRST_BAUD);
    fpioa->io[RX_PAD] = FPIOA_CH_SEL(FUNC_UART3_RX) | FPIOA_IE_EN | FPIOA_ST;
    fpioa->io[TX_PAD] = FPIOA_CH_SEL(FUNC_UART3_TX) | FPIOA_OE_EN | FPIOA_DRIVING(15);
}
