// The console: UARTHS with a buffer in each direction, filled and emptied by its interrupt.

#include "py/mphal.h"
#include "py/mpthread.h"
#include "py/ringbuf.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "extmod/misc.h"
#include "shared/runtime/interrupt_char.h"

#include "clint.h"
#include "console.h"
#include "fpioa.h"
#include "random_pool.h"
#include "uarths.h"

// A line of paste mode and more; raw-paste mode has flow control of its own.
#define INPUT_SIZE (2048)
#define OUTPUT_SIZE (1024)

static uint8_t input_bytes[INPUT_SIZE], output_bytes[OUTPUT_SIZE];
ringbuf_t stdin_ringbuf = {input_bytes, INPUT_SIZE, 0, 0};
static ringbuf_t output = {output_bytes, OUTPUT_SIZE, 0, 0};
static bool listening;

static void receive(void) {
    for (int c; (c = uarths_getchar()) >= 0;) {
        random_pool_stir();
        if (c == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else {
            ringbuf_put(&stdin_ringbuf, (uint8_t)c);
        }
    }
}

// Moves what fits from the buffer into the FIFO; without more to send that interrupt is off.
static void transmit(void) {
    while (ringbuf_avail(&output) && !(uarths->txdata & UARTHS_TXDATA_FULL)) {
        uarths->txdata = (uint8_t)ringbuf_get(&output);
    }
    uarths->ie = UARTHS_RECEIVE | (ringbuf_avail(&output) ? UARTHS_SEND : 0);
}

static int interrupt(void *ctx) {
    (void)ctx;
    receive();
    transmit();
    return 0;
}

void console_init(void) {
    fpioa_set_function(MICROPY_HW_CONSOLE_RX, FUNC_UARTHS_RX);
    fpioa_set_function(MICROPY_HW_CONSOLE_TX, FUNC_UARTHS_TX);
    uarths_init();
    console_set_baud(MICROPY_HW_CONSOLE_BAUD);
    uarths_set_irq(UARTHS_RECEIVE, interrupt, NULL, 1);
    listening = true;
}

void console_set_baud(uint32_t baud) {
    console_flush();
    uarths_config(baud, UARTHS_STOP_1);
    uarths_set_interrupt_cnt(UARTHS_SEND, UARTHS_FIFO_DEPTH / 2);
}

void console_flush(void) {
    while (ringbuf_avail(&output)) {
        uint64_t state = bsp_irq_save();
        transmit();
        bsp_irq_restore(state);
    }
    // With interrupts for a FIFO half empty, "empty" has no flag: the time of a full FIFO and a half.
    if (listening) {
        mp_hal_delay_us_fast(12 * 10 * (uint64_t)1000000 * (uarths->div + 1) / sysctl_cpu_get_freq());
    }
}

uintptr_t mp_hal_stdio_poll(uintptr_t poll_flags) {
    uintptr_t ready = poll_flags & MP_STREAM_POLL_WR;
    if ((poll_flags & MP_STREAM_POLL_RD) && ringbuf_peek(&stdin_ringbuf) != -1) {
        ready |= MP_STREAM_POLL_RD;
    }
#if MICROPY_PY_OS_DUPTERM
    ready |= mp_os_dupterm_poll(poll_flags);
#endif
    return ready;
}

int mp_hal_stdin_rx_chr(void) {
    for (;;) {
        int c = ringbuf_get(&stdin_ringbuf);
#if MICROPY_PY_OS_DUPTERM
        if (c < 0) {
            c = mp_os_dupterm_rx_chr();
        }
#endif
        if (c >= 0) {
            return c;
        }
        mp_event_wait_indefinite();
    }
}

static void put(uint8_t c) {
    for (;;) {
        uint32_t served = bsp_interrupts_served();
        uint64_t state = bsp_irq_save();
        bool done = ringbuf_put(&output, c) == 0;
        transmit();
        bsp_irq_restore(state);
        if (done) {
            return;
        }
        if (!bsp_in_interrupt()) {
            bsp_sleep_since(served, CLINT_NEVER);
        }
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *str, size_t len) {
    for (size_t i = 0; i < len; i++) {
        put((uint8_t)str[i]);
    }
#if MICROPY_PY_OS_DUPTERM
    mp_os_dupterm_tx_strn(str, len);
#endif
    return len;
}
