#include "bsp.h"
#include "clint.h"
#include "sleep.h"
#include "sysctl.h"
#include "trap.h"

static struct {
    core_function func;
    void *ctx;
} core1;

int register_core1(core_function func, void *ctx) {
    if (!func) {
        return -1;
    }
    core1.ctx = ctx;
    core1.func = func;
    mb();
    clint_ipi_send(1);
    return 0;
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
    mb();
    core1.func(core1.ctx);
}

void bsp_sleep_since(uint32_t served, uint64_t deadline) {
    uint64_t state = bsp_irq_save();
    // An interrupt between this look and the WFI stays pending, and WFI returns at once.
    if (bsp_interrupts_served() == served && clint_get_time() < deadline) {
        clint_alarm_set(CLINT_ALARM_WAIT, deadline);
        __asm__ volatile("wfi");
        if (!state) {
            trap_serve_pending();
        }
    }
    bsp_irq_restore(state);
}

static bool wait_until(const volatile bool *done, uint64_t deadline) {
    for (;;) {
        uint32_t served = bsp_interrupts_served();
        if (*done || clint_get_time() >= deadline) {
            return *done;
        }
        bsp_sleep_since(served, deadline);
    }
}

bool bsp_wait(const volatile bool *done, uint64_t timeout_us) {
    return *done || wait_until(done, clint_get_time() + sysctl_us_to_ticks(timeout_us));
}

void bsp_sleep_us(uint64_t us) {
    static const bool never = false;
    // One tick more, for the one that has begun.
    wait_until(&never, clint_get_time() + sysctl_us_to_ticks(us) + 1);
}

int usleep(uint64_t usec) {
    bsp_sleep_us(usec);
    return 0;
}

int msleep(uint64_t msec) {
    return usleep(msec * 1000);
}

unsigned int sleep(unsigned int seconds) {
    usleep((uint64_t)seconds * 1000000);
    return 0;
}
