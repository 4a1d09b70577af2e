#include "bsp.h"
#include "clint.h"

static struct {
    core_function func;
    void *ctx;
} core1;

void register_core1(core_function func, void *ctx) {
    core1.ctx = ctx;
    core1.func = func;
    __sync_synchronize();
    clint_ipi_send(1);
}

// Where crt.S sends hart 1. Interrupts stay off: WFI returns when one is pending, and that is all
// that is needed. What .bss holds is not looked at before the wake-up, which comes after it is clear.
void secondary_main(void) {
    write_csr(mie, MIP_MSIP);
    while (!(read_csr(mip) & MIP_MSIP)) {
        __asm__ volatile("wfi");
    }
    clint_ipi_clear(1);
    write_csr(mie, 0);
    __sync_synchronize();
    core1.func(core1.ctx);
}

__attribute__((weak)) uintptr_t handle_trap(uint64_t cause, uintptr_t epc, uint64_t *x) {
    (void)cause;
    (void)epc;
    (void)x;
    for (;;) {
        __asm__ volatile("wfi");
    }
}
