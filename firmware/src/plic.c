#include "bsp.h"
#include "plic.h"

// Contexts alternate: machine and supervisor mode of hart 0, then of hart 1.
#define MACHINE_CONTEXT(hart) (2 * (hart))

#define PRIORITY(irq) (*(volatile uint32_t *)(PLIC_BASE_ADDR + 4 * (irq)))
#define PENDING(irq) (*(volatile uint32_t *)(PLIC_BASE_ADDR + 0x1000 + (irq) / 32 * 4))
#define ENABLE(hart, irq)                                                                                              \
    (*(volatile uint32_t *)(PLIC_BASE_ADDR + 0x2000 + MACHINE_CONTEXT(hart) * 0x80 + (irq) / 32 * 4))
#define THRESHOLD(hart) (*(volatile uint32_t *)(PLIC_BASE_ADDR + 0x200000 + MACHINE_CONTEXT(hart) * 0x1000))
#define CLAIM(hart) (*(volatile uint32_t *)(PLIC_BASE_ADDR + 0x200004 + MACHINE_CONTEXT(hart) * 0x1000))

void plic_init(void) {
    unsigned hart = current_coreid();
    for (unsigned irq = 0; irq < IRQN_MAX; irq += 32) {
        ENABLE(hart, irq) = 0;
    }
    THRESHOLD(hart) = 0;
}

void plic_set_priority(plic_irq_t irq, uint32_t priority) {
    PRIORITY(irq) = priority;
}

void plic_set_thresh(unsigned core_id, uint32_t threshold) {
    THRESHOLD(core_id) = threshold;
}

uint32_t plic_is_pending(plic_irq_t irq) {
    return PENDING(irq) >> (irq & 31) & 1;
}

void plic_irq_enable(plic_irq_t irq) {
    ENABLE(current_coreid(), irq) |= 1u << (irq & 31);
}

void plic_irq_disable(plic_irq_t irq) {
    ENABLE(current_coreid(), irq) &= ~(1u << (irq & 31));
}

uint32_t plic_irq_claim(void) {
    return CLAIM(current_coreid());
}

void plic_irq_complete(uint32_t irq) {
    CLAIM(current_coreid()) = irq;
}
