// Both harts: who is who, how the second one starts, interrupts on and off, sleeping until something
// has happened.
#ifndef K210_BSP_H
#define K210_BSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"
#include "encoding.h"

typedef int (*core_function)(void *ctx);

static inline unsigned long current_coreid(void) {
    return read_csr(mhartid);
}

// Lets hart 1, which has waited in WFI since reset, call `func(ctx)`. Once only; core1.h runs many.
// Returns 0, or -1 without a function.
int register_core1(core_function func, void *ctx);

// Interrupts of the calling hart off; returns what bsp_irq_restore() needs to put them back.
static inline uint64_t bsp_irq_save(void) {
    uint64_t before;
    __asm__ volatile("csrrci %0, mstatus, 8" : "=r"(before)::"memory");
    return before & MSTATUS_MIE;
}

static inline void bsp_irq_restore(uint64_t before) {
    set_csr(mstatus, before);
}

// Sleeps in WFI until an interrupt handler has set `*done` or `timeout_us` microseconds have passed;
// returns `*done`. With interrupts off it lets pending ones through itself, one at a time.
bool bsp_wait(const volatile bool *done, uint64_t timeout_us);

// Sleeps in WFI for at least so many microseconds; interrupts are served meanwhile.
void bsp_sleep_us(uint64_t us);

// How many interrupts the calling hart has served, modulo 2^32. What a handler may have changed need
// be looked at again only when this differs.
uint32_t bsp_interrupts_served(void);

// Sleeps until an interrupt has been served since `served` was that count, or mtime has reached
// `deadline`.
void bsp_sleep_since(uint32_t served, uint64_t deadline);

// Whether the calling hart serves an interrupt now.
bool bsp_in_interrupt(void);

#endif // K210_BSP_H
