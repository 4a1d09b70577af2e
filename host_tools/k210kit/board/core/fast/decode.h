// As much of the RISC-V encoding as counting instructions needs.
#ifndef K210KIT_DECODE_H
#define K210KIT_DECODE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INSN_FENCE_I (0x0000100fu)

static inline uint32_t fetch16(const uint8_t *code) {
    uint16_t half;
    memcpy(&half, code, 2);
    return half;
}

static inline uint32_t fetch32(const uint8_t *code) {
    uint32_t insn;
    memcpy(&insn, code, 4);
    return insn;
}

// Whether it is an access to CSR cycle, time or instret.
static inline bool reads_user_counter(uint32_t insn) {
    return (insn & 0x7f) == 0x73 && (insn >> 12 & 3) != 0 && insn >> 22 == 0xc00 >> 2 && insn >> 20 != 0xc03;
}

static inline unsigned insn_length(const uint8_t *code) {
    return (code[0] & 3) == 3 ? 4 : 2;
}

// Instructions in `size` bytes of straight-line code.
static inline unsigned insn_count(const uint8_t *code, uint64_t size) {
    unsigned count = 0;
    for (const uint8_t *end = code + size; code < end; count++) {
        code += insn_length(code);
    }
    return count;
}

// Whether the instruction at `code` ends a straight line: a jump, a branch, a system or fence.i.
static inline bool insn_transfers(const uint8_t *code) {
    uint32_t half = fetch16(code);
    switch (half & 3) {
        case 3: {
            uint32_t opcode = half & 0x7f;
            return opcode == 0x63 || opcode == 0x67 || opcode == 0x6f || opcode == 0x73
                || (opcode == 0x0f && (half >> 12 & 7) == 1);
        }
        case 1:
            return (half >> 13) >= 5; // c.j c.beqz c.bnez
        case 2:
            return half == 0x9002 // c.ebreak, then c.jr c.jalr
                || ((half >> 13) == 4 && (half >> 2 & 31) == 0 && (half >> 7 & 31) != 0);
        default:
            return false;
    }
}

// Whether it may change anything but integer registers: a store, an atomic, anything of the FPU,
// anything of the system.
static inline bool insn_has_effects(const uint8_t *code) {
    uint32_t half = fetch16(code);
    unsigned top = half >> 13;
    switch (half & 3) {
        case 0:
            return top != 0 && top != 2 && top != 3; // all but c.addi4spn c.lw c.ld
        case 1:
            return false;
        case 2:
            return top == 1 || top >= 5 || half == 0x9002; // c.fldsp, c.fsdsp c.swsp c.sdsp, c.ebreak
        default:
            switch (half & 0x7f) {
                case 0x03:
                case 0x13:
                case 0x17:
                case 0x1b:
                case 0x33:
                case 0x37:
                case 0x3b:
                case 0x63:
                case 0x67:
                case 0x6f:
                case 0x0f:
                    return false;
                default:
                    return true;
            }
    }
}

#endif // K210KIT_DECODE_H
