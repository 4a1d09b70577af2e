// CLINT: software interrupts between harts and the machine timer.
// Registers: SiFive FE310-G000 manual, chapter "Core-Local Interruptor"; two harts here.
#ifndef K210_CLINT_H
#define K210_CLINT_H

#include <stdint.h>

#include "platform.h"

typedef struct {
    uint32_t msip[PLATFORM_NUM_CORES]; // 0x0000
    uint32_t reserved0[0x1000 - PLATFORM_NUM_CORES];
    uint64_t mtimecmp[PLATFORM_NUM_CORES]; // 0x4000
    uint64_t reserved1[0xfff - PLATFORM_NUM_CORES];
    uint64_t mtime; // 0xbff8
} clint_t;

#define clint ((volatile clint_t *)CLINT_BASE_ADDR)

// mtime counts once in so many CPU cycles. Source: Kendryte standalone SDK, clint.h.
#define CLINT_CLOCK_DIV (50)

void clint_ipi_send(unsigned core_id);
void clint_ipi_clear(unsigned core_id);

// The machine timer interrupt of a hart becomes pending when mtime reaches `time`.
void clint_timer_set(unsigned core_id, uint64_t time);

static inline uint64_t clint_get_time(void) {
    return clint->mtime;
}

#endif // K210_CLINT_H
