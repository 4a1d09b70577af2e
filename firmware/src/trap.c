#include "bsp.h"
#include "clint.h"
#include "misaligned.h"
#include "plic.h"
#include "trap.h"

static struct {
    volatile uint32_t served, depth;
} interrupts[PLATFORM_NUM_CORES];

uint32_t bsp_interrupts_served(void) {
    return interrupts[current_coreid()].served;
}

bool bsp_in_interrupt(void) {
    return interrupts[current_coreid()].depth != 0;
}

void trap_serve_interrupt(unsigned number) {
    unsigned hart = current_coreid();
    interrupts[hart].depth++;
    switch (number) {
        case IRQ_M_EXT:
            plic_interrupt();
            break;
        case IRQ_M_TIMER:
            clint_timer_interrupt();
            break;
        case IRQ_M_SOFT:
            clint_ipi_interrupt();
            break;
    }
    interrupts[hart].served++;
    interrupts[hart].depth--;
}

__attribute__((weak)) uintptr_t handle_trap(uint64_t cause, uintptr_t epc, uint64_t *x) {
    if (cause & CAUSE_INTERRUPT) {
        trap_serve_interrupt((unsigned)cause);
        return epc;
    }
    uintptr_t next = misaligned_access(cause, epc, x);
    if (next) {
        return next;
    }
    crash(cause, epc, x);
}

void trap_serve_pending(void) {
    static const uint8_t order[] = {IRQ_M_EXT, IRQ_M_SOFT, IRQ_M_TIMER};
    uint64_t pending = read_csr(mip) & read_csr(mie);
    for (unsigned i = 0; i < sizeof(order); i++) {
        if (pending >> order[i] & 1) {
            trap_serve_interrupt(order[i]);
            return;
        }
    }
}
