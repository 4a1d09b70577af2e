// Code that changes, and memory that is seen twice.
// Expectations: RISC-V user specification 2.2, 2.7 (fence.i); K210 datasheet 0.1.5 (memory map).

#include "check.h"

typedef int (*function_t)(void);

// li a0, N; ret
#define CODE_LI(n) (0x00000513u | (uint32_t)(n) << 20)
#define CODE_RET (0x00008067u)

static uint32_t code[2] __attribute__((aligned(8)));
static uint32_t code1[2] __attribute__((aligned(8)));
static volatile uint32_t stage, done;
static volatile int answer;

static void put(volatile uint32_t *to, unsigned n) {
    to[0] = CODE_LI(n);
    to[1] = CODE_RET;
}

static int call(void *at) {
    return ((function_t)at)();
}

static void *uncached(void *p) {
    return (void *)((uintptr_t)p - 0x40000000);
}

static int hart1_main(void *ctx) {
    (void)ctx;
    for (;;) {
        while (stage == done) {
        }
        switch (stage) {
            case 1: // runs what hart 0 has written
            case 2:
                __asm__ volatile("fence.i");
                answer = call(code1);
                break;
            case 3: // writes what hart 0 will run
                put(code, 55);
                break;
            default:
                break;
        }
        __sync_synchronize();
        done = stage;
    }
    return 0;
}

static void command(unsigned number) {
    __sync_synchronize();
    stage = number;
    while (done != number) {
    }
}

static void own_code(void) {
    put(code, 1);
    __asm__ volatile("fence.i");
    check("code that was written", call(code), 1);
    put(code, 2);
    __asm__ volatile("fence.i");
    check("code that was changed", call(code), 2);
    unsigned sum = 0, want = 0;
    for (unsigned i = 0; i < 100; i++) {
        put(code, i);
        __asm__ volatile("fence.i");
        sum += call(code);
        want += i;
    }
    check("code changed a hundred times", sum, want);
    // A different length of the same line.
    static uint16_t line[64];
    for (unsigned n = 1; n < 30; n++) {
        for (unsigned i = 0; i < n; i++) {
            line[i] = 0x0505; // c.addi a0, 1
        }
        line[n] = 0x8082; // c.ret
        __asm__ volatile("fence.i");
        uint64_t before = read_csr(minstret);
        register uint64_t a0 __asm__("a0") = 0;
        __asm__ volatile("jalr ra, %1" : "+r"(a0) : "r"(line) : "ra", "memory");
        uint64_t retired = read_csr(minstret) - before;
        if (a0 != n || retired < n || retired > n + 12) {
            check("a line that grows", retired, n);
        }
    }
    put(uncached(code), 33);
    __asm__ volatile("fence.i");
    check("code written through the uncached address", call(code), 33);
    check("code run at the uncached address", call(uncached(code)), 33);
    put(code, 34);
    __asm__ volatile("fence.i");
    check("and changed at the cached one", call(uncached(code)), 34);
}

static void other_code(void) {
    put(code1, 11);
    command(1);
    check("hart 1 runs what hart 0 wrote", answer, 11);
    put(code1, 12);
    command(2);
    check("hart 1 runs what hart 0 changed", answer, 12);
    put(code, 54);
    __asm__ volatile("fence.i");
    check("before", call(code), 54);
    command(3);
    __asm__ volatile("fence.i");
    check("hart 0 runs what hart 1 wrote", call(code), 55);
}

static void aliases(void) {
    static volatile uint64_t word;
    volatile uint64_t *alias = (volatile uint64_t *)((uintptr_t)&word - 0x40000000);
    word = 0x1122334455667788;
    check("uncached reads cached", *alias, 0x1122334455667788);
    *alias = 0x99aabbccddeeff00;
    check("cached reads uncached", word, 0x99aabbccddeeff00);
    ((volatile uint8_t *)alias)[3] = 0x5a;
    check("bytes of it", word, 0x99aabbcc5aeeff00);

    volatile uint64_t *ai = (volatile uint64_t *)0x80600000;
    ai[0] = 0x0123456789abcdef;
    ai[0x3ffff] = 42;
    check("AI RAM", ai[0], 0x0123456789abcdef);
    check("AI RAM uncached", *(volatile uint64_t *)0x40600000, 0x0123456789abcdef);
    check("AI RAM, last word", *(volatile uint64_t *)0x407ffff8, 42);
    check("not the SRAM", *(volatile uint64_t *)0x80000000 != 0x0123456789abcdef, 1);
    put((volatile uint32_t *)0x80700000, 66);
    __asm__ volatile("fence.i");
    check("code in AI RAM", call((void *)0x80700000), 66);
}

int main(void) {
    checks_begin();
    own_code();
    aliases();
    register_core1(hart1_main, NULL);
    other_code();
    checks_done();
}
