// What every guest uses: checks that report over the console, and a trap handler that takes notes.
#ifndef K210_CHECK_H
#define K210_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bsp.h"
#include "trap.h"

#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))

// Console at 3 Mbaud on pads 4 and 5, the CPU at 390 MHz, interrupts off.
void checks_begin(void);

// One line each: "ok NAME", or "FAIL NAME got=0x... want=0x...".
void check(const char *name, uint64_t got, uint64_t want);
void check_range(const char *name, uint64_t got, uint64_t low, uint64_t high);

// "done N failed M"; does not return.
_Noreturn void checks_done(void);

// The last trap of each hart; `count` goes up with every one.
typedef struct {
    volatile uint64_t count, cause, epc, tval, status;
} trap_note_t;

extern trap_note_t trap_note[2];

// Exceptions go on behind the instruction; any trap goes on in machine mode at `trap_exit` when that
// is set.
extern volatile uintptr_t trap_exit;

// Called for interrupts; without it they are switched off in mie. trap_serve_interrupt() lets drivers
// have theirs.
extern void (*volatile on_interrupt)(unsigned number);

// Gives misaligned loads and stores to misaligned_access() before it goes on behind them.
extern volatile bool carry_out_misaligned;

// Executes `insn` and checks cause, mepc and (unless ANY) mtval of the trap that it must cause.
#define ANY UINT64_C(0xa5a5a5a5a5a5a5a5)
#define CHECK_TRAP(name, cause, tval, insn, ...)                                                                       \
    do {                                                                                                               \
        uintptr_t at_;                                                                                                 \
        uint64_t before_ = trap_note[current_coreid()].count;                                                          \
        __asm__ volatile("lla %[at], 1f\n1: " insn : [at] "=&r"(at_) : __VA_ARGS__ : "t0", "memory");                  \
        check_trap(name, before_, cause, at_, tval);                                                                   \
    } while (0)
void check_trap(const char *name, uint64_t count_before, uint64_t cause, uintptr_t epc, uint64_t tval);

void wait_us(uint32_t microseconds);

// Sleeps until interrupts have counted `*counter` up to `count`; they are on before and after.
void sleep_until(volatile unsigned *counter, unsigned count);

#endif // K210_CHECK_H
