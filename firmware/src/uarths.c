#include <stdio.h>

#include "uarths.h"

void uarths_init(uint32_t cpu_freq, uint32_t baud) {
    uarths->div = cpu_freq / baud - 1;
    uarths->ie = 0;
    uarths->txctrl = UARTHS_TXEN | UARTHS_CNT(1);
    uarths->rxctrl = UARTHS_RXEN;
}

void uarths_putchar(char c) {
    while (uarths->txdata & UARTHS_TXDATA_FULL) {
    }
    uarths->txdata = (uint8_t)c;
}

int uarths_getchar(void) {
    uint32_t data = uarths->rxdata;
    return data & UARTHS_RXDATA_EMPTY ? -1 : (int)(data & 0xff);
}

void uarths_drain(void) {
    // With a watermark of 1 the flag says that the FIFO is empty.
    while (!(uarths->ip & UARTHS_TXWM)) {
    }
}

// Standard output of the C library.
static int put(char c, FILE *file) {
    (void)file;
    if (c == '\n') {
        uarths_putchar('\r');
    }
    uarths_putchar(c);
    return (unsigned char)c;
}

static FILE console = FDEV_SETUP_STREAM(put, NULL, NULL, _FDEV_SETUP_WRITE);
FILE *const stdout = &console;
