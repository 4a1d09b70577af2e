// PLIC: the interrupts of all other blocks, by priority, to either hart.
// Registers: RISC-V platform-level interrupt controller specification 1.0; sources: Kendryte K210
// datasheet 0.1.5, table of interrupts.
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
    IRQN_DMA5_INTERRUPT = 32,
    IRQN_UARTHS_INTERRUPT = 33,
    IRQN_GPIOHS0_INTERRUPT = 34,
    IRQN_GPIOHS31_INTERRUPT = 65,
    IRQN_MAX,
} plic_irq_t;

#define PLIC_NUM_PRIORITIES (7)

// Takes every interrupt away from the calling hart and lets any priority above 0 through.
void plic_init(void);
void plic_set_priority(plic_irq_t irq, uint32_t priority);
void plic_set_thresh(unsigned core_id, uint32_t threshold);
uint32_t plic_is_pending(plic_irq_t irq);

// For the calling hart.
void plic_irq_enable(plic_irq_t irq);
void plic_irq_disable(plic_irq_t irq);
uint32_t plic_irq_claim(void);
void plic_irq_complete(uint32_t irq);

#endif // K210_PLIC_H
