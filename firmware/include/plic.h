// PLIC: the interrupts of all other blocks, by priority, to either hart.
// Registers: RISC-V platform-level interrupt controller specification 1.0; sources: Kendryte K210
// datasheet 0.1.5, table of interrupts. Function names as in the Kendryte standalone SDK.
#ifndef K210_PLIC_H
#define K210_PLIC_H

#include <stdint.h>

#include "platform.h"

typedef enum {
    IRQN_NO_INTERRUPT = 0,
    IRQN_SPI0_INTERRUPT = 1,
    IRQN_SPI1_INTERRUPT = 2,
    IRQN_SPI_SLAVE_INTERRUPT = 3,
    IRQN_SPI3_INTERRUPT = 4,
    IRQN_I2S0_INTERRUPT = 5,
    IRQN_I2S1_INTERRUPT = 6,
    IRQN_I2S2_INTERRUPT = 7,
    IRQN_I2C0_INTERRUPT = 8,
    IRQN_I2C1_INTERRUPT = 9,
    IRQN_I2C2_INTERRUPT = 10,
    IRQN_UART1_INTERRUPT = 11,
    IRQN_UART2_INTERRUPT = 12,
    IRQN_UART3_INTERRUPT = 13,
    IRQN_TIMER0A_INTERRUPT = 14,
    IRQN_TIMER0B_INTERRUPT = 15,
    IRQN_TIMER1A_INTERRUPT = 16,
    IRQN_TIMER1B_INTERRUPT = 17,
    IRQN_TIMER2A_INTERRUPT = 18,
    IRQN_TIMER2B_INTERRUPT = 19,
    IRQN_RTC_INTERRUPT = 20,
    IRQN_WDT0_INTERRUPT = 21,
    IRQN_WDT1_INTERRUPT = 22,
    IRQN_APB_GPIO_INTERRUPT = 23,
    IRQN_DVP_INTERRUPT = 24,
    IRQN_AI_INTERRUPT = 25,
    IRQN_FFT_INTERRUPT = 26,
    IRQN_DMA0_INTERRUPT = 27,
    IRQN_DMA1_INTERRUPT = 28,
    IRQN_DMA2_INTERRUPT = 29,
    IRQN_DMA3_INTERRUPT = 30,
    IRQN_DMA4_INTERRUPT = 31,
    IRQN_DMA5_INTERRUPT = 32,
    IRQN_UARTHS_INTERRUPT = 33,
    IRQN_GPIOHS0_INTERRUPT = 34,
    IRQN_GPIOHS1_INTERRUPT = 35,
    IRQN_GPIOHS2_INTERRUPT = 36,
    IRQN_GPIOHS3_INTERRUPT = 37,
    IRQN_GPIOHS4_INTERRUPT = 38,
    IRQN_GPIOHS5_INTERRUPT = 39,
    IRQN_GPIOHS6_INTERRUPT = 40,
    IRQN_GPIOHS7_INTERRUPT = 41,
    IRQN_GPIOHS8_INTERRUPT = 42,
    IRQN_GPIOHS9_INTERRUPT = 43,
    IRQN_GPIOHS10_INTERRUPT = 44,
    IRQN_GPIOHS11_INTERRUPT = 45,
    IRQN_GPIOHS12_INTERRUPT = 46,
    IRQN_GPIOHS13_INTERRUPT = 47,
    IRQN_GPIOHS14_INTERRUPT = 48,
    IRQN_GPIOHS15_INTERRUPT = 49,
    IRQN_GPIOHS16_INTERRUPT = 50,
    IRQN_GPIOHS17_INTERRUPT = 51,
    IRQN_GPIOHS18_INTERRUPT = 52,
    IRQN_GPIOHS19_INTERRUPT = 53,
    IRQN_GPIOHS20_INTERRUPT = 54,
    IRQN_GPIOHS21_INTERRUPT = 55,
    IRQN_GPIOHS22_INTERRUPT = 56,
    IRQN_GPIOHS23_INTERRUPT = 57,
    IRQN_GPIOHS24_INTERRUPT = 58,
    IRQN_GPIOHS25_INTERRUPT = 59,
    IRQN_GPIOHS26_INTERRUPT = 60,
    IRQN_GPIOHS27_INTERRUPT = 61,
    IRQN_GPIOHS28_INTERRUPT = 62,
    IRQN_GPIOHS29_INTERRUPT = 63,
    IRQN_GPIOHS30_INTERRUPT = 64,
    IRQN_GPIOHS31_INTERRUPT = 65,
    IRQN_MAX,
} plic_irq_t;

#define PLIC_NUM_PRIORITIES (7)

typedef int (*plic_irq_callback_t)(void *ctx);

// What is to be called, and with which priority.
typedef struct _plic_interrupt_t {
    plic_irq_callback_t callback;
    void *ctx;
    uint32_t priority;
} plic_interrupt_t;

// Takes every interrupt away from the calling hart and lets any priority above 0 through.
void plic_init(void);

// For the calling hart. They return 0, or -1 where there is no such source.
int plic_irq_enable(plic_irq_t irq);
int plic_irq_disable(plic_irq_t irq);

// 0 (never) to 7. Returns 0, or -1 for another value or source.
int plic_set_priority(plic_irq_t irq, uint32_t priority);
uint32_t plic_get_priority(plic_irq_t irq);
void plic_set_thresh(unsigned core_id, uint32_t threshold);
uint32_t plic_is_pending(plic_irq_t irq);

// `callback(ctx)` is called from the interrupt on the hart that serves it; the source is claimed
// before and completed after.
void plic_irq_register(plic_irq_t irq, plic_irq_callback_t callback, void *ctx);
void plic_irq_unregister(plic_irq_t irq);
void plic_irq_deregister(plic_irq_t irq);

// The source to be served by the calling hart, or 0; it must be completed.
uint32_t plic_irq_claim(void);
int plic_irq_complete(uint32_t source);

// External interrupts have come (from handle_trap): serves all that are pending.
void plic_interrupt(void);

#endif // K210_PLIC_H
