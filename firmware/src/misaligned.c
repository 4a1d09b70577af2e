#include <stdbool.h>

#include "encoding.h"
#include "misaligned.h"

// Encodings: RISC-V unprivileged specification 20191213, chapters 2 and 16.
#define OPCODE_LOAD (0x03)
#define OPCODE_STORE (0x23)

typedef struct {
    bool store, is_signed;
    unsigned log2_size, data, base, length;
    int64_t offset;
} access_t;

static bool decode_full(uint32_t insn, access_t *access) {
    unsigned opcode = insn & 0x7f, funct3 = insn >> 12 & 7;
    access->store = opcode == OPCODE_STORE;
    access->log2_size = funct3 & 3;
    access->is_signed = !(funct3 & 4);
    access->base = insn >> 15 & 31;
    access->data = access->store ? insn >> 20 & 31 : insn >> 7 & 31;
    access->length = 4;
    int32_t immediate = (int32_t)insn >> 20;
    access->offset = access->store ? (immediate & ~31) | (int32_t)(insn >> 7 & 31) : immediate;
    return opcode == OPCODE_LOAD || opcode == OPCODE_STORE;
}

// c.lw, c.ld, c.sw, c.sd and their forms relative to the stack pointer.
static bool decode_compressed(uint32_t insn, access_t *access) {
    unsigned funct3 = insn >> 13 & 7, quadrant = insn & 3;
    bool wide = funct3 & 1;
    access->store = funct3 & 4;
    access->is_signed = true;
    access->log2_size = wide ? 3 : 2;
    access->length = 2;
    if (quadrant == 0) {
        access->base = 8 + (insn >> 7 & 7);
        access->data = 8 + (insn >> 2 & 7);
        access->offset = insn >> 7 & 0x38;
        access->offset |= wide ? insn << 1 & 0xc0 : (insn >> 4 & 4) | (insn << 1 & 0x40);
    } else {
        access->base = 2;
        access->data = access->store ? insn >> 2 & 31 : insn >> 7 & 31;
        if (access->store) {
            access->offset = wide ? (insn >> 7 & 0x38) | (insn >> 1 & 0x1c0) : (insn >> 7 & 0x3c) | (insn >> 1 & 0xc0);
        } else {
            access->offset = insn >> 7 & 0x20;
            access->offset |= wide ? (insn >> 2 & 0x18) | (insn << 4 & 0x1c0) : (insn >> 2 & 0x1c) | (insn << 4 & 0xc0);
        }
    }
    return (quadrant == 0 || quadrant == 2) && (funct3 & 2);
}

static void load(const access_t *access, uintptr_t address, uint64_t *x) {
    const volatile uint8_t *bytes = (const volatile uint8_t *)address;
    unsigned size = 1u << access->log2_size, unused = 64 - 8 * size;
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)bytes[i] << 8 * i;
    }
    value <<= unused;
    if (access->data) {
        x[access->data] = access->is_signed ? (uint64_t)((int64_t)value >> unused) : value >> unused;
    }
}

static void store(const access_t *access, uintptr_t address, const uint64_t *x) {
    volatile uint8_t *bytes = (volatile uint8_t *)address;
    uint64_t value = access->data ? x[access->data] : 0;
    for (unsigned i = 0; i < 1u << access->log2_size; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
}

uintptr_t misaligned_access(uint64_t cause, uintptr_t epc, uint64_t *x) {
    if (cause != CAUSE_MISALIGNED_LOAD && cause != CAUSE_MISALIGNED_STORE) {
        return 0;
    }
    const uint16_t *code = (const uint16_t *)epc;
    access_t access;
    bool compressed = (code[0] & 3) != 3;
    if (!(compressed ? decode_compressed(code[0], &access) : decode_full(code[0] | (uint32_t)code[1] << 16, &access))) {
        return 0;
    }
    uintptr_t address = (access.base ? x[access.base] : 0) + access.offset;
    if (access.store) {
        store(&access, address, x);
    } else {
        load(&access, address, x);
    }
    return epc + access.length;
}
