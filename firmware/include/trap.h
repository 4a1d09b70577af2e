// Traps: where they go, and what is left of a program that did what it must not.
#ifndef K210_TRAP_H
#define K210_TRAP_H

#include <stdint.h>

// Called for every trap. `x` are the registers x0 to x31 as they were (x[0] is undefined), which it
// may change; returns where to go on. The default one serves interrupts through clint.h and plic.h
// and gives exceptions to crash(); programs may bring their own.
uintptr_t handle_trap(uint64_t cause, uintptr_t epc, uint64_t *x);

// Serves an interrupt by its number in mcause; a handle_trap() of one's own may call it.
void trap_serve_interrupt(unsigned number);

// Serves one of the calling hart's interrupts that are pending, for code that waits with interrupts off.
void trap_serve_pending(void);

// Prints cause, registers and the chain of return addresses over the console without interrupts, then
// resets the chip.
_Noreturn void crash(uint64_t cause, uintptr_t epc, const uint64_t *x);

// The same for a program that finds itself at a place that it cannot leave.
_Noreturn void crash_message(const char *message);

#endif // K210_TRAP_H
