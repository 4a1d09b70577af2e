// UARTHS and UART1 to 3, the latter with a wire from their TX (pads 10, 12, 14) to their RX (11, 13, 15).
// Expectations: SiFive FE310-G000 manual, UART; Kendryte standalone SDK, uart.h, uart.c; 16550.

#include <string.h>

#include "check.h"
#include "chip.h"
#include "fpioa.h"
#include "plic.h"
#include "sysctl.h"
#include "uarths.h"

#define RBR (0x00)
#define IER (0x04)
#define IIR (0x08)
#define LCR (0x0c)
#define MCR (0x10)
#define LSR (0x14)

static void configure(unsigned n, uint32_t baud) {
    uint32_t clock = sysctl_cpu_get_freq() / ((sysctl->clk_sel[0] >> 3 & 7) + 1); // APB0
    uint32_t sixteenths = clock / baud;
    R32(UART(n), LCR) = 0x80;
    R32(UART(n), IER) = sixteenths >> 12;
    R32(UART(n), RBR) = sixteenths >> 4 & 0xff;
    R32(UART(n), 0xc0) = sixteenths & 15;
    R32(UART(n), LCR) = 3; // 8N1
    R32(UART(n), IIR) = 7; // FIFOs on and empty, trigger at one
    R32(UART(n), IER) = 0;
    fpioa_set_function(8 + 2 * n, FUNC_UART1_TX + 2 * (n - 1));
    fpioa_set_function(9 + 2 * n, FUNC_UART1_RX + 2 * (n - 1));
}

static bool receive(unsigned n, uint8_t *to, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        unsigned patience = 100000;
        while (!(R32(UART(n), LSR) & 1)) {
            if (--patience == 0) {
                return false;
            }
        }
        to[i] = (uint8_t)R32(UART(n), RBR);
    }
    return true;
}

static volatile unsigned interrupts, identity;
static volatile uint8_t heard;

static void handler(unsigned number) {
    if (number == IRQ_M_EXT) {
        uint32_t irq = plic_irq_claim();
        interrupts++;
        if (irq == IRQN_UARTHS_INTERRUPT) {
            heard = (uint8_t)uarths->rxdata;
        } else {
            identity = R32(UART(1), IIR) & 15;
            if (identity == 4 || identity == 12) {
                heard = (uint8_t)R32(UART(1), RBR);
            } else {
                R32(UART(1), IER) = 0;
            }
        }
        plic_irq_complete(irq);
    }
}

static void loops(void) {
    static const char text[] = "The quick brown fox";
    for (unsigned n = 1; n <= 3; n++) {
        char name[40];
        uint8_t back[16] = {0};
        configure(n, 115200 * n);
        uint64_t start = read_csr(mcycle);
        for (unsigned i = 0; i < sizeof(back); i++) {
            R32(UART(n), RBR) = text[i];
        }
        bool all = receive(n, back, sizeof(back));
        uint64_t us = (read_csr(mcycle) - start) / 390;
        snprintf(name, sizeof(name), "UART%u: 16 characters come back", n);
        check(name, all && memcmp(back, text, sizeof(back)) == 0, 1);
        snprintf(name, sizeof(name), "UART%u: in their time", n);
        check_range(name, us, 1388 / n - 20, 1388 / n + 40);
    }
}

static void fifos(void) {
    // With PTIME, LSR bit 5 means that the transmit FIFO is full.
    R32(UART(1), IER) = 0x80;
    check("LSR bit 5 with PTIME, empty", R32(UART(1), LSR) >> 5 & 1, 0);
    unsigned put = 0;
    while (!(R32(UART(1), LSR) & 0x20) && put < 100) {
        R32(UART(1), RBR) = put++;
    }
    check_range("the FIFO takes 16 and one is on its way", put, 16, 17);
    uint8_t back[20];
    check("they come back", receive(1, back, put) && back[put - 1] == put - 1, 1);
    // Overrun: 16 fit, the 17th is lost.
    for (unsigned i = 0; i < 18; i++) {
        while (R32(UART(1), LSR) & 0x20) {
        }
        R32(UART(1), RBR) = 100 + i;
    }
    wait_us(2000);
    check("overrun is reported", R32(UART(1), LSR) >> 1 & 1, 1);
    check("once", R32(UART(1), LSR) >> 1 & 1, 0);
    check("16 are there", receive(1, back, 16), 1);
    check("and no more", R32(UART(1), LSR) & 1, 0);
    check("the oldest ones", back[15], 115);
    R32(UART(1), IER) = 0;
    check("LSR bits 5 and 6 when idle", R32(UART(1), LSR) & 0x60, 0x60);
}

static void irqs(void) {
    plic_init();
    plic_set_priority(IRQN_UART1_INTERRUPT, 1);
    plic_irq_enable(IRQN_UART1_INTERRUPT);
    on_interrupt = handler;
    set_csr(mie, MIP_MEIP);
    R32(UART(1), IER) = 1;
    set_csr(mstatus, MSTATUS_MIE);
    R32(UART(1), RBR) = 0x5a;
    sleep_until(&interrupts, 1);
    check("receive interrupt", identity == 4 || identity == 12, 1);
    check("with its character", heard, 0x5a);
    wait_us(200);
    check("once", interrupts, 1);
    R32(UART(1), IER) = 2;
    sleep_until(&interrupts, 2);
    check("transmit interrupt", identity, 2);
    clear_csr(mstatus, MSTATUS_MIE);
}

static void dma(void) {
    static uint32_t out[64], in[64];
    for (unsigned i = 0; i < 64; i++) {
        out[i] = i * 37 & 0xff;
    }
    R32(UART(1), IIR) = 1 | 1 << 1 | 1 << 2 | 1 << 3; // FIFOs, DMA mode 1
    dma_start(1, DMA_FROM_DEVICE, DMA_UART1_RX, UART(1), (uintptr_t)in, 2, 64);
    dma_start(0, DMA_TO_DEVICE, DMA_UART1_TX, (uintptr_t)out, UART(1), 2, 64);
    check("DMA sends", dma_wait(0), 1);
    check("DMA receives", dma_wait(1), 1);
    check("what was sent", memcmp(in, out, sizeof(in)), 0);
}

static void console(void) {
    printf("type\n");
    uarths->ie = UARTHS_IP_RXWM;
    plic_set_priority(IRQN_UARTHS_INTERRUPT, 1);
    plic_irq_enable(IRQN_UARTHS_INTERRUPT);
    interrupts = 0;
    set_csr(mstatus, MSTATUS_MIE);
    sleep_until(&interrupts, 3);
    clear_csr(mstatus, MSTATUS_MIE);
    check("UARTHS hears the console", heard, 'c');
    plic_irq_disable(IRQN_UARTHS_INTERRUPT);
    printf("type much\n");
    wait_us(2000); // ten characters into eight places
    unsigned count = 0;
    int c, previous = 0;
    while ((c = uarths_getchar()) >= 0) {
        count++;
        previous = c;
    }
    check("UARTHS keeps eight", count, 8);
    check("the oldest eight", previous, '7');
}

int main(void) {
    checks_begin();
    loops();
    fifos();
    irqs();
    dma();
    console();
    checks_done();
}
