// Both harts: who is who, how the second one starts, where traps go.
#ifndef K210_BSP_H
#define K210_BSP_H

#include <stddef.h>
#include <stdint.h>

#include "encoding.h"

typedef int (*core_function)(void *ctx);

static inline unsigned current_coreid(void) {
    return (unsigned)read_csr(mhartid);
}

// Lets hart 1, which has waited in WFI since reset, call `func(ctx)`. Once only.
void register_core1(core_function func, void *ctx);

// Called for every trap. `x` are the registers x0 to x31 as they were (x[0] is undefined), which it
// may change; returns where to go on. The default one stops the hart; programs bring their own.
uintptr_t handle_trap(uint64_t cause, uintptr_t epc, uint64_t *x);

#endif // K210_BSP_H
