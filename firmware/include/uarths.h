// UARTHS: the console UART. Registers: SiFive FE310-G000 manual, chapter "UART".
#ifndef K210_UARTHS_H
#define K210_UARTHS_H

#include <stdint.h>

#include "platform.h"

typedef struct {
    uint32_t txdata; // 0x00
    uint32_t rxdata; // 0x04
    uint32_t txctrl; // 0x08
    uint32_t rxctrl; // 0x0c
    uint32_t ie; // 0x10
    uint32_t ip; // 0x14
    uint32_t div; // 0x18
} uarths_t;

#define uarths ((volatile uarths_t *)UARTHS_BASE_ADDR)

#define UARTHS_TXDATA_FULL (1u << 31)
#define UARTHS_RXDATA_EMPTY (1u << 31)
#define UARTHS_TXEN (1u << 0)
#define UARTHS_RXEN (1u << 0)
#define UARTHS_CNT(n) ((uint32_t)(n) << 16)
#define UARTHS_TXWM (1u << 0)
#define UARTHS_RXWM (1u << 1)

// Both directions on, 8N1, at `baud` bits a second while the CPU runs at `cpu_freq` hertz.
void uarths_init(uint32_t cpu_freq, uint32_t baud);

// Waits for room.
void uarths_putchar(char c);

// The next byte received, or -1.
int uarths_getchar(void);

// Waits until the transmitter has taken all; the last character may still be on its way.
void uarths_drain(void);

#endif // K210_UARTHS_H
