// UARTHS: the console UART. Registers: SiFive FE310-G000 manual, chapter "UART". Function names as in
// the Kendryte standalone SDK.
#ifndef K210_UARTHS_H
#define K210_UARTHS_H

#include <stddef.h>
#include <stdint.h>

#include "platform.h"
#include "plic.h"

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
#define UARTHS_NSTOP (1u << 1)
#define UARTHS_RXEN (1u << 0)
#define UARTHS_TXWM(n) ((uint32_t)(n) << 16)
#define UARTHS_RXWM(n) ((uint32_t)(n) << 16)
#define UARTHS_WM_MASK (7u << 16)
#define UARTHS_IP_TXWM (1u << 0)
#define UARTHS_IP_RXWM (1u << 1)
#define UARTHS_FIFO_DEPTH (8)

typedef enum {
    UARTHS_SEND = 1,
    UARTHS_RECEIVE = 2,
    UARTHS_SEND_RECEIVE = 3,
} uarths_interrupt_mode_t;

typedef enum {
    UARTHS_STOP_1,
    UARTHS_STOP_2,
} uarths_stopbit_t;

// Both directions on, 8N1, 115200 baud, interrupts off.
void uarths_init(void);

// `baud_rate` bits a second at the CPU's present frequency.
void uarths_config(uint32_t baud_rate, uarths_stopbit_t stopbit);

// Waits for room. Returns the character.
int uarths_putchar(char c);

// Sends without waiting for more than room; returns 0, or for uarths_send_data() `buf_len`.
int uarths_puts(const char *s);
size_t uarths_send_data(const uint8_t *buf, size_t buf_len);

// The next byte received, or -1. Both names do the same.
int uarths_getchar(void);
int uarths_getc(void);

// What has been received, at most `buf_len` bytes; returns their number.
size_t uarths_receive_data(uint8_t *buf, size_t buf_len);

// `callback(ctx)` runs at `priority` (1 to 7) while the enabled condition holds: less to be sent than
// the SEND watermark, more received than the RECEIVE one.
void uarths_set_irq(uarths_interrupt_mode_t mode, plic_irq_callback_t callback, void *ctx, uint32_t priority);
void uarths_set_interrupt_cnt(uarths_interrupt_mode_t mode, uint8_t cnt);

// The conditions that hold now.
uarths_interrupt_mode_t uarths_get_interrupt_mode(void);

// Waits until the transmitter has taken all; the last character may still be on its way.
void uarths_drain(void);

#endif // K210_UARTHS_H
