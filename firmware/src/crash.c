#include <stdbool.h>

#include "bsp.h"
#include "sysctl.h"
#include "trap.h"
#include "uarths.h"

#define CHAIN_LENGTH (24)

extern const char _text_start[], _text_end[];

static const char *const causes[] = {
    [CAUSE_MISALIGNED_FETCH] = "jump to an odd address",
    [CAUSE_FETCH_ACCESS] = "jump to where no memory is",
    [CAUSE_ILLEGAL_INSTRUCTION] = "illegal instruction",
    [CAUSE_BREAKPOINT] = "breakpoint",
    [CAUSE_MISALIGNED_LOAD] = "misaligned load",
    [CAUSE_LOAD_ACCESS] = "load from where nothing answers",
    [CAUSE_MISALIGNED_STORE] = "misaligned store",
    [CAUSE_STORE_ACCESS] = "store to where nothing answers",
    [CAUSE_USER_ECALL] = "system call",
    [CAUSE_MACHINE_ECALL] = "system call",
};

static const char names[32][5] = {
    "zero",
    "ra",
    "sp",
    "gp",
    "tp",
    "t0",
    "t1",
    "t2",
    "s0",
    "s1",
    "a0",
    "a1",
    "a2",
    "a3",
    "a4",
    "a5",
    "a6",
    "a7",
    "s2",
    "s3",
    "s4",
    "s5",
    "s6",
    "s7",
    "s8",
    "s9",
    "s10",
    "s11",
    "t3",
    "t4",
    "t5",
    "t6",
};

// Polled and without the C library, which may be what has crashed.
static void print_hex(uint64_t value) {
    uarths_puts("0x");
    for (int shift = 60; shift >= 0; shift -= 4) {
        uarths_putchar("0123456789abcdef"[value >> shift & 15]);
    }
}

static bool in_text(uint64_t address) {
    return address >= (uintptr_t)_text_start && address < (uintptr_t)_text_end;
}

static bool in_ram(uint64_t address) {
    return address >= RAM_BASE_ADDR && address < RAM_BASE_ADDR + RAM_SIZE && address % 8 == 0;
}

static void print_link(uint64_t address) {
    uarths_putchar(' ');
    print_hex(address);
}

// Frames as GCC lays them out with -fno-omit-frame-pointer: return address at -8, the caller's frame
// at -16; a function that calls none has its caller's frame at -8.
static void print_chain(uintptr_t epc, const uint64_t *x) {
    uarths_puts("return chain:");
    print_link(epc);
    if (!in_text(epc) && in_text(x[1])) {
        // A jump into nothing, whose return address no frame has.
        print_link(x[1]);
    }
    uint64_t frame = x[8];
    for (unsigned i = 0; i < CHAIN_LENGTH && in_ram(frame - 16) && in_ram(frame); i++) {
        const uint64_t *words = (const uint64_t *)frame;
        uint64_t address = words[-1], next = words[-2];
        if (i == 0 && !in_text(address)) {
            next = address;
            address = x[1];
        }
        if (!in_text(address)) {
            break;
        }
        print_link(address);
        if (next <= frame) {
            break;
        }
        frame = next;
    }
    uarths_puts("\r\n");
}

static void print_registers(const uint64_t *x) {
    for (unsigned i = 1; i < 32; i++) {
        uarths_puts(names[i]);
        uarths_putchar('=');
        print_hex(x[i]);
        uarths_puts(i % 4 == 0 || i == 31 ? "\r\n" : " ");
    }
}

static _Noreturn void reset(void) {
    uarths_drain();
    uint64_t character = sysctl_cpu_get_freq() / 1000; // a millisecond: ten characters at 115200
    for (uint64_t start = read_cycle(); read_cycle() - start < character;) {
    }
    sysctl_reset(SYSCTL_RESET_SOC);
    for (;;) {
        __asm__ volatile("wfi");
    }
}

_Noreturn void crash(uint64_t cause, uintptr_t epc, const uint64_t *x) {
    bsp_irq_save();
    uarths->ie = 0;
    uarths_puts("\r\n*** crash on hart ");
    uarths_putchar((char)('0' + current_coreid()));
    uarths_puts(": ");
    bool known = cause < sizeof(causes) / sizeof(causes[0]) && causes[cause];
    uarths_puts(known ? causes[cause] : "trap");
    uarths_puts(", cause ");
    print_hex(cause);
    uarths_puts(" at ");
    print_hex(epc);
    uarths_puts(", address ");
    print_hex(read_csr(mtval));
    uarths_puts("\r\n");
    print_registers(x);
    print_chain(epc, x);
    reset();
}

_Noreturn void crash_message(const char *message) {
    bsp_irq_save();
    uarths->ie = 0;
    uarths_puts("\r\n*** ");
    uarths_puts(message);
    uarths_puts("\r\n");
    uint64_t frame = (uint64_t)__builtin_frame_address(0), x[32] = {[8] = frame};
    print_chain((uintptr_t)__builtin_return_address(0), x);
    reset();
}
