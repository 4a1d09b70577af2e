#include <stdio.h>

#include "bsp.h"
#include "sysctl.h"
#include "uarths.h"

#define DEFAULT_BAUD (115200)

void uarths_init(void) {
    uarths->ie = 0;
    uarths->rxctrl = UARTHS_RXEN;
    uarths_config(DEFAULT_BAUD, UARTHS_STOP_1);
}

void uarths_config(uint32_t baud_rate, uarths_stopbit_t stopbit) {
    uint32_t divisor = (sysctl_cpu_get_freq() + baud_rate / 2) / baud_rate;
    uarths->div = divisor > 0x10000 ? 0xffff : divisor ? divisor - 1 : 0;
    uarths->txctrl = UARTHS_TXEN | (stopbit == UARTHS_STOP_2 ? UARTHS_NSTOP : 0) | UARTHS_TXWM(1);
}

int uarths_putchar(char c) {
    while (uarths->txdata & UARTHS_TXDATA_FULL) {
    }
    uarths->txdata = (uint8_t)c;
    return (uint8_t)c;
}

int uarths_puts(const char *s) {
    while (*s) {
        uarths_putchar(*s++);
    }
    return 0;
}

size_t uarths_send_data(const uint8_t *buf, size_t buf_len) {
    for (size_t i = 0; i < buf_len; i++) {
        uarths_putchar((char)buf[i]);
    }
    return buf_len;
}

int uarths_getchar(void) {
    uint32_t data = uarths->rxdata;
    return data & UARTHS_RXDATA_EMPTY ? -1 : (int)(data & 0xff);
}

int uarths_getc(void) {
    return uarths_getchar();
}

size_t uarths_receive_data(uint8_t *buf, size_t buf_len) {
    size_t count = 0;
    for (int c; count < buf_len && (c = uarths_getchar()) >= 0;) {
        buf[count++] = (uint8_t)c;
    }
    return count;
}

void uarths_set_irq(uarths_interrupt_mode_t mode, plic_irq_callback_t callback, void *ctx, uint32_t priority) {
    plic_irq_register(IRQN_UARTHS_INTERRUPT, callback, ctx);
    plic_set_priority(IRQN_UARTHS_INTERRUPT, priority);
    uarths->ie = mode;
    plic_irq_enable(IRQN_UARTHS_INTERRUPT);
}

void uarths_set_interrupt_cnt(uarths_interrupt_mode_t mode, uint8_t cnt) {
    if (mode & UARTHS_SEND) {
        uarths->txctrl = (uarths->txctrl & ~UARTHS_WM_MASK) | UARTHS_TXWM(cnt & 7);
    }
    if (mode & UARTHS_RECEIVE) {
        uarths->rxctrl = (uarths->rxctrl & ~UARTHS_WM_MASK) | UARTHS_RXWM(cnt & 7);
    }
}

uarths_interrupt_mode_t uarths_get_interrupt_mode(void) {
    return uarths->ip & UARTHS_SEND_RECEIVE;
}

void uarths_drain(void) {
    // With a watermark of 1 the flag says that the FIFO is empty.
    while (!(uarths->ip & UARTHS_IP_TXWM)) {
    }
}

// Standard output of the C library.
static int put(char c, FILE *file) {
    (void)file;
    if (c == '\n') {
        uarths_putchar('\r');
    }
    return uarths_putchar(c);
}

static FILE console = FDEV_SETUP_STREAM(put, NULL, NULL, _FDEV_SETUP_WRITE);
FILE *const stdout = &console;
