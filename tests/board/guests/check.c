#include "check.h"
#include "clint.h"
#include "fpioa.h"
#include "misaligned.h"
#include "sysctl.h"
#include "uarths.h"

trap_note_t trap_note[2];
volatile uintptr_t trap_exit;
void (*volatile on_interrupt)(unsigned number);
volatile bool carry_out_misaligned;

static unsigned checks, failures;

void checks_begin(void) {
    sysctl_cpu_set_freq(390000000);
    fpioa_set_function(4, FUNC_UARTHS_RX);
    fpioa_set_function(5, FUNC_UARTHS_TX);
    uarths_init();
    uarths_config(3000000, UARTHS_STOP_1);
}

static void report(const char *name, bool good, uint64_t got, uint64_t want) {
    checks++;
    if (good) {
        printf("ok %s\n", name);
    } else {
        failures++;
        printf("FAIL %s got=0x%lx want=0x%lx\n", name, got, want);
    }
}

void check(const char *name, uint64_t got, uint64_t want) {
    report(name, got == want, got, want);
}

void check_range(const char *name, uint64_t got, uint64_t low, uint64_t high) {
    report(name, got >= low && got <= high, got, got < low ? low : high);
}

_Noreturn void checks_done(void) {
    printf("done %u failed %u\n", checks, failures);
    uarths_drain();
    write_csr(mie, 0);
    for (;;) {
        __asm__ volatile("wfi");
    }
}

void check_trap(const char *name, uint64_t count_before, uint64_t cause, uintptr_t epc, uint64_t tval) {
    const trap_note_t *note = &trap_note[current_coreid()];
    // One line for all: the first thing that is wrong is shown.
    if (note->count != count_before + 1) {
        report(name, false, note->count - count_before, 1);
    } else if (note->cause != cause || note->epc != epc) {
        report(name, false, note->cause != cause ? note->cause : note->epc, note->cause != cause ? cause : epc);
    } else {
        report(name, tval == ANY || note->tval == tval, note->tval, tval);
    }
}

static uintptr_t behind(uintptr_t epc) {
    return epc + ((*(const uint16_t *)epc & 3) == 3 ? 4 : 2);
}

uintptr_t handle_trap(uint64_t cause, uintptr_t epc, uint64_t *x) {
    trap_note_t *note = &trap_note[current_coreid()];
    note->cause = cause;
    note->epc = epc;
    note->tval = read_csr(mtval);
    note->status = read_csr(mstatus);
    note->count++;
    if (cause & CAUSE_INTERRUPT) {
        unsigned number = cause & 63;
        if (on_interrupt) {
            on_interrupt(number);
        } else {
            clear_csr(mie, 1ul << number);
        }
    }
    if (trap_exit) {
        uintptr_t to = trap_exit;
        trap_exit = 0;
        set_csr(mstatus, MSTATUS_MPP);
        return to;
    }
    uintptr_t next = carry_out_misaligned ? misaligned_access(cause, epc, x) : 0;
    return next ? next : cause & CAUSE_INTERRUPT ? epc : behind(epc);
}

void wait_us(uint32_t microseconds) {
    uint64_t cycles = (uint64_t)microseconds * (sysctl_cpu_get_freq() / 1000000);
    for (uint64_t start = read_cycle(); read_cycle() - start < cycles;) {
    }
}

void sleep_until(volatile unsigned *counter, unsigned count) {
    clear_csr(mstatus, MSTATUS_MIE);
    while (*counter < count) {
        __asm__ volatile("wfi");
        set_csr(mstatus, MSTATUS_MIE);
        clear_csr(mstatus, MSTATUS_MIE);
    }
    set_csr(mstatus, MSTATUS_MIE);
}
