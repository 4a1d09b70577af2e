// Loads and stores that are not aligned, carried out by misaligned_access(): with made-up registers, and
// for real where they trap (silicon, strict mode).

#include <string.h>

#include "check.h"
#include "misaligned.h"

#define A0 (10)
#define A1 (11)
#define SP (2)
#define S11 (27)
#define VALUE UINT64_C(0x8796a5b4c3d2e1f0)

static uint8_t bytes[64], before[64];

static uint64_t little_endian(const uint8_t *from, unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)from[i] << 8 * i;
    }
    return value;
}

// The instruction is assembled here and never executed; `at` is where in `bytes` it goes.
#define CODE(insn)                                                                                                     \
    ({                                                                                                                 \
        uintptr_t code_;                                                                                               \
        __asm__("lla %0, 1f\n j 2f\n 1: " insn "\n .balign 2\n 2:" : "=r"(code_));                                     \
        code_;                                                                                                         \
    })

static void check_load(const char *name, uintptr_t code, unsigned length, unsigned base, int64_t offset, unsigned data,
    unsigned size, bool is_signed) {
    uint64_t x[32];
    for (unsigned i = 0; i < 32; i++) {
        x[i] = 0x1000 + i;
    }
    x[base] = (uintptr_t)bytes + 9 - (uint64_t)offset;
    uint64_t kept[32];
    memcpy(kept, x, sizeof(x));
    check(name, misaligned_access(CAUSE_MISALIGNED_LOAD, code, x), code + length);
    uint64_t want = little_endian(bytes + 9, size);
    if (is_signed && size < 8 && want >> (8 * size - 1)) {
        want |= ~UINT64_C(0) << 8 * size;
    }
    check("  its value", x[data], want);
    kept[data] = x[data];
    check("  no other register", (uint64_t)memcmp(kept, x, sizeof(x)), 0);
}

static void check_store(
    const char *name, uintptr_t code, unsigned length, unsigned base, int64_t offset, unsigned data, unsigned size) {
    uint64_t x[32] = {0};
    x[data] = VALUE;
    x[base] = (uintptr_t)bytes + 9 - (uint64_t)offset;
    memcpy(bytes, before, sizeof(bytes));
    check(name, misaligned_access(CAUSE_MISALIGNED_STORE, code, x), code + length);
    check("  its bytes", (uint64_t)memcmp(bytes + 9, &(uint64_t){VALUE}, size), 0);
    check("  none before", (uint64_t)memcmp(bytes, before, 9), 0);
    check("  none behind", (uint64_t)memcmp(bytes + 9 + size, before + 9 + size, sizeof(bytes) - 9 - size), 0);
    memcpy(bytes, before, sizeof(bytes));
}

static void by_frames(void) {
    check_load("lh", CODE("lh a0, -3(a1)"), 4, A1, -3, A0, 2, true);
    check_load("lhu", CODE("lhu s11, 2047(a1)"), 4, A1, 2047, S11, 2, false);
    check_load("lw", CODE("lw a0, -2048(sp)"), 4, SP, -2048, A0, 4, true);
    check_load("lwu", CODE("lwu a0, 4(a0)"), 4, A0, 4, A0, 4, false);
    check_load("ld", CODE("ld t6, 1(a1)"), 4, A1, 1, 31, 8, true);
    check_load("c.lw", CODE("c.lw a0, 4(a1)"), 2, A1, 4, A0, 4, true);
    check_load("c.lw far", CODE("c.lw s0, 64(a5)"), 2, 15, 64, 8, 4, true);
    check_load("c.lw, all bits", CODE("c.lw a5, 124(s1)"), 2, 9, 124, 15, 4, true);
    check_load("c.ld", CODE("c.ld a0, 200(a1)"), 2, A1, 200, A0, 8, true);
    check_load("c.ld, small", CODE("c.ld a5, 56(s0)"), 2, 8, 56, 15, 8, true);
    check_load("c.lwsp", CODE("c.lwsp s11, 252(sp)"), 2, SP, 252, S11, 4, true);
    check_load("c.lwsp, small", CODE("c.lwsp ra, 4(sp)"), 2, SP, 4, 1, 4, true);
    check_load("c.ldsp", CODE("c.ldsp s11, 504(sp)"), 2, SP, 504, S11, 8, true);
    check_load("c.ldsp, small", CODE("c.ldsp t6, 8(sp)"), 2, SP, 8, 31, 8, true);
    check_store("sh", CODE("sh a0, -3(a1)"), 4, A1, -3, A0, 2);
    check_store("sw", CODE("sw t6, 2047(sp)"), 4, SP, 2047, 31, 4);
    check_store("sd", CODE("sd s11, -2048(a1)"), 4, A1, -2048, S11, 8);
    check_store("c.sw", CODE("c.sw a0, 68(a1)"), 2, A1, 68, A0, 4);
    check_store("c.sd", CODE("c.sd s0, 136(a5)"), 2, 15, 136, 8, 8);
    check_store("c.swsp", CODE("c.swsp s11, 132(sp)"), 2, SP, 132, S11, 4);
    check_store("c.swsp, small", CODE("c.swsp ra, 60(sp)"), 2, SP, 60, 1, 4);
    check_store("c.sdsp", CODE("c.sdsp t6, 328(sp)"), 2, SP, 328, 31, 8);
    check_store("c.sdsp, small", CODE("c.sdsp a0, 56(sp)"), 2, SP, 56, A0, 8);

    uint64_t x[32] = {[A1] = (uintptr_t)bytes + 1};
    check("a load to x0", misaligned_access(CAUSE_MISALIGNED_LOAD, CODE("lw zero, 0(a1)"), x) != 0, true);
    check("  leaves it", x[0], 0);
    check("a float is none of its", misaligned_access(CAUSE_MISALIGNED_LOAD, CODE("flw fa0, 0(a1)"), x), 0);
    check("a compressed one neither", misaligned_access(CAUSE_MISALIGNED_LOAD, CODE("c.fld fa0, 0(a1)"), x), 0);
    check("nor an atomic", misaligned_access(CAUSE_MISALIGNED_STORE, CODE("amoadd.w a0, a0, (a1)"), x), 0);
    check("nor another cause", misaligned_access(CAUSE_LOAD_ACCESS, CODE("lw a0, 0(a1)"), x), 0);
}

static void for_real(void) {
    carry_out_misaligned = true;
    uint64_t got = 0;
    uintptr_t at = (uintptr_t)bytes + 1;
    __asm__ volatile("lh %0, 0(%1)" : "=r"(got) : "r"(at) : "memory");
    check("a real lh", got, (uint64_t)(int16_t)little_endian(bytes + 1, 2));
    __asm__ volatile("lwu %0, 4(%1)" : "=r"(got) : "r"(at) : "memory");
    check("a real lwu", got, little_endian(bytes + 5, 4));
    register uint64_t a0 __asm__("a0");
    register uintptr_t a1 __asm__("a1") = at;
    __asm__ volatile("c.ld %0, 8(%1)" : "=r"(a0) : "r"(a1) : "memory");
    check("a real c.ld", a0, little_endian(bytes + 9, 8));
    __asm__ volatile("sd %0, 16(%1)\n sh %0, 30(%1)" : : "r"(VALUE), "r"(at) : "memory");
    check("a real sd", little_endian(bytes + 17, 8), VALUE);
    check("a real sh", little_endian(bytes + 31, 2), VALUE & 0xffff);
    check("and nothing beside it", bytes[33] == before[33] && bytes[30] == before[30] && bytes[25] == before[25], true);
    printf("traps %lu\n", (unsigned long)trap_note[0].count);
}

int main(void) {
    checks_begin();
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = before[i] = (uint8_t)(0xf1 - 7 * i);
    }
    by_frames();
    for_real();
    checks_done();
}
