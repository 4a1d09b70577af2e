#include "clint.h"
#include "core1.h"

static struct {
    core_function volatile job;
    void *ctx;
    int result;
    volatile bool done;
} work = {.done = true};

static bool started;

// Hart 1 for ever: sleeps until hart 0 sends a job, tells it of the end. Interrupts stay off; WFI
// returns when the software interrupt is pending.
static int serve(void *unused) {
    (void)unused;
    write_csr(mie, MIP_MSIP);
    for (;;) {
        while (!work.job) {
            __asm__ volatile("wfi");
            clint_ipi_clear(1);
            mb();
        }
        work.result = work.job(work.ctx);
        work.job = NULL;
        mb();
        work.done = true;
        clint_ipi_send(0);
    }
    return 0;
}

bool core1_start(core_function job, void *ctx) {
    if (!work.done) {
        return false;
    }
    work.done = false;
    work.ctx = ctx;
    mb();
    work.job = job;
    clint_ipi_enable();
    if (started) {
        clint_ipi_send(1);
    } else {
        started = true;
        register_core1(serve, NULL);
    }
    return true;
}

bool core1_busy(void) {
    return !work.done;
}

bool core1_wait(uint64_t timeout_us, int *result) {
    if (!bsp_wait(&work.done, timeout_us)) {
        return false;
    }
    mb();
    if (result) {
        *result = work.result;
    }
    return true;
}
