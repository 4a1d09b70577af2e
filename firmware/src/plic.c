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

static struct {
    plic_irq_callback_t callback;
    void *ctx;
} sources[IRQN_MAX];

static bool is_source(plic_irq_t irq) {
    return irq > IRQN_NO_INTERRUPT && irq < IRQN_MAX;
}

void plic_init(void) {
    unsigned hart = current_coreid();
    for (unsigned irq = 0; irq < IRQN_MAX; irq += 32) {
        ENABLE(hart, irq) = 0;
    }
    THRESHOLD(hart) = 0;
}

static int enable(plic_irq_t irq, bool on) {
    if (!is_source(irq)) {
        return -1;
    }
    unsigned hart = current_coreid();
    uint64_t state = bsp_irq_save();
    uint32_t bit = 1u << (irq & 31), others = ENABLE(hart, irq) & ~bit;
    ENABLE(hart, irq) = on ? others | bit : others;
    bsp_irq_restore(state);
    return 0;
}

int plic_irq_enable(plic_irq_t irq) {
    return enable(irq, true);
}

int plic_irq_disable(plic_irq_t irq) {
    return enable(irq, false);
}

int plic_set_priority(plic_irq_t irq, uint32_t priority) {
    if (!is_source(irq) || priority > PLIC_NUM_PRIORITIES) {
        return -1;
    }
    PRIORITY(irq) = priority;
    return 0;
}

uint32_t plic_get_priority(plic_irq_t irq) {
    return is_source(irq) ? PRIORITY(irq) : 0;
}

void plic_set_thresh(unsigned core_id, uint32_t threshold) {
    THRESHOLD(core_id) = threshold;
}

uint32_t plic_is_pending(plic_irq_t irq) {
    return PENDING(irq) >> (irq & 31) & 1;
}

void plic_irq_register(plic_irq_t irq, plic_irq_callback_t callback, void *ctx) {
    if (!is_source(irq)) {
        return;
    }
    uint64_t state = bsp_irq_save();
    sources[irq].callback = callback;
    sources[irq].ctx = ctx;
    bsp_irq_restore(state);
}

void plic_irq_unregister(plic_irq_t irq) {
    plic_irq_register(irq, NULL, NULL);
}

void plic_irq_deregister(plic_irq_t irq) {
    plic_irq_unregister(irq);
}

uint32_t plic_irq_claim(void) {
    return CLAIM(current_coreid());
}

int plic_irq_complete(uint32_t source) {
    CLAIM(current_coreid()) = source;
    return 0;
}

void plic_interrupt(void) {
    for (uint32_t source; (source = plic_irq_claim()) != 0;) {
        if (source < IRQN_MAX && sources[source].callback) {
            sources[source].callback(sources[source].ctx);
        } else {
            // Nobody would ever quiet it.
            plic_irq_disable(source);
        }
        plic_irq_complete(source);
    }
}
