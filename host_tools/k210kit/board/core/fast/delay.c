// Finding delay loops and how many rounds they certainly go; see delay.h.

#include "delay.h"

#include <string.h>

#include "decode.h"

enum { OP_ADD, OP_SUB, OP_SRL, OP_DIVU };

// Registers hold either a value that no instruction of the loop changes, or one that never falls
// while the counter rises.
typedef struct {
    uint8_t op;
    uint8_t rd;
    uint8_t rising; // the rising operand's register
    uint8_t fixed; // the fixed operand's register, when not an immediate
    bool immediate;
    int64_t value;
} step_t;

typedef struct {
    step_t step[DELAY_MAX_INSNS];
    unsigned steps;
    unsigned length;
    uint8_t counter_rd;
    uint32_t rising; // registers set by the loop so far
    uint32_t fixed; // registers read as fixed
    uint8_t compare; // funct3 of the branch
    uint8_t left;
    uint8_t right;
    bool loops_if_taken;
    bool branched;
} loop_t;

static bool is_rising(const loop_t *loop, unsigned reg) {
    return loop->rising >> reg & 1;
}

static bool add_step(
    loop_t *loop, unsigned op, unsigned rd, unsigned rs1, unsigned rs2, bool immediate, int64_t value) {
    step_t step = {op, rd, rs1, rs2, immediate, value};
    if (!is_rising(loop, rs1)) {
        // Only an addition may have its rising operand on the right.
        if (op != OP_ADD || immediate || !is_rising(loop, rs2)) {
            return false;
        }
        step.rising = rs2;
        step.fixed = rs1;
    } else if (!immediate && is_rising(loop, rs2)) {
        return false;
    }
    if (rd == 0) {
        return false;
    }
    if (!immediate) {
        loop->fixed |= 1u << step.fixed;
    }
    loop->step[loop->steps++] = step;
    loop->rising |= 1u << rd;
    return true;
}

static bool add_branch(loop_t *loop, unsigned compare, unsigned left, unsigned right, bool taken_stays) {
    // blt bge bltu bgeu with the rising value on one side.
    if (loop->branched || compare < 4 || is_rising(loop, left) == is_rising(loop, right)) {
        return false;
    }
    loop->fixed |= 1u << (is_rising(loop, left) ? right : left);
    loop->compare = compare;
    loop->left = left;
    loop->right = right;
    loop->loops_if_taken = taken_stays;
    loop->branched = true;
    return true;
}

static int64_t sign_extend(uint64_t value, unsigned bits) {
    return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static int64_t branch_offset(uint32_t insn) {
    return sign_extend(
        (insn >> 31 & 1) << 12 | (insn >> 7 & 1) << 11 | (insn >> 25 & 63) << 5 | (insn >> 8 & 15) << 1, 13);
}

static int64_t jump_offset(uint32_t insn) {
    return sign_extend(
        (insn >> 31 & 1) << 20 | (insn >> 12 & 255) << 12 | (insn >> 20 & 1) << 11 | (insn >> 21 & 1023) << 1, 21);
}

static int64_t compressed_jump_offset(uint32_t half) {
    return sign_extend((half >> 12 & 1) << 11 | (half >> 11 & 1) << 4 | (half >> 9 & 3) << 8 | (half >> 8 & 1) << 10
            | (half >> 7 & 1) << 6 | (half >> 6 & 1) << 7 | (half >> 3 & 7) << 1 | (half >> 2 & 1) << 5,
        12);
}

enum { GO_ON, CLOSED, NO_LOOP };

static int decode_wide(loop_t *loop, uint32_t insn, int64_t offset) {
    unsigned rd = insn >> 7 & 31, rs1 = insn >> 15 & 31, rs2 = insn >> 20 & 31, funct3 = insn >> 12 & 7;
    bool fits = false;
    switch (insn & 0x7f) {
        case 0x13:
            if (funct3 == 0) {
                fits = add_step(loop, OP_ADD, rd, rs1, 0, true, sign_extend(insn >> 20, 12));
            } else if (funct3 == 5 && insn >> 26 == 0) {
                fits = add_step(loop, OP_SRL, rd, rs1, 0, true, insn >> 20 & 63);
            }
            break;
        case 0x33:
            if (funct3 == 0 && (insn >> 25 == 0 || insn >> 25 == 0x20)) {
                fits = add_step(loop, insn >> 25 ? OP_SUB : OP_ADD, rd, rs1, rs2, false, 0);
            } else if (funct3 == 5 && insn >> 25 == 1) {
                fits = add_step(loop, OP_DIVU, rd, rs1, rs2, false, 0);
            }
            break;
        case 0x63: {
            bool back = offset + branch_offset(insn) == 0;
            fits = add_branch(loop, funct3, rs1, rs2, back);
            if (fits && back) {
                return CLOSED;
            }
            break;
        }
        case 0x6f:
            return rd == 0 && loop->branched && offset + jump_offset(insn) == 0 ? CLOSED : NO_LOOP;
        default:
            break;
    }
    return fits ? GO_ON : NO_LOOP;
}

static int decode_compressed(loop_t *loop, uint32_t half, int64_t offset) {
    unsigned rd = half >> 7 & 31, rs2 = half >> 2 & 31, small = 8 + (half >> 7 & 7);
    bool fits = false;
    if ((half & 3) == 1) {
        if (half >> 13 == 0 && rd) {
            fits = add_step(loop, OP_ADD, rd, rd, 0, true, sign_extend((half >> 12 & 1) << 5 | (half >> 2 & 31), 6));
        } else if (half >> 13 == 5) {
            return loop->branched && offset + compressed_jump_offset(half) == 0 ? CLOSED : NO_LOOP;
        } else if (half >> 10 == 0x23 && (half >> 5 & 3) == 0) {
            fits = add_step(loop, OP_SUB, small, small, 8 + (half >> 2 & 7), false, 0);
        } else if (half >> 13 == 4 && (half >> 10 & 3) == 0) {
            fits = add_step(loop, OP_SRL, small, small, 0, true, (half >> 12 & 1) << 5 | (half >> 2 & 31));
        }
    } else if ((half & 3) == 2 && half >> 13 == 4 && rs2 && rd) {
        fits = half >> 12 & 1 ? add_step(loop, OP_ADD, rd, rd, rs2, false, 0)
                              : add_step(loop, OP_ADD, rd, rs2, 0, true, 0);
    }
    return fits ? GO_ON : NO_LOOP;
}

static bool find_loop(loop_t *loop, const uint8_t *code, unsigned bytes) {
    memset(loop, 0, sizeof(*loop));
    uint32_t first;
    memcpy(&first, code, 4);
    loop->counter_rd = first >> 7 & 31;
    if (loop->counter_rd == 0) {
        return false;
    }
    loop->rising = 1u << loop->counter_rd;
    loop->length = 1;
    for (unsigned at = 4; loop->length < DELAY_MAX_INSNS && at + 4 <= bytes;) {
        uint32_t insn;
        memcpy(&insn, code + at, 4);
        bool wide = (insn & 3) == 3;
        int state = wide ? decode_wide(loop, insn, at) : decode_compressed(loop, insn & 0xffff, at);
        loop->length++;
        at += wide ? 4 : 2;
        if (state == NO_LOOP) {
            return false;
        }
        if (state == CLOSED) {
            // A register read as fixed and set by the loop would carry over from round to round.
            return (loop->fixed & loop->rising) == 0;
        }
    }
    return false;
}

typedef struct {
    uint64_t value[32];
} registers_t;

// The rising operand of the branch in the round that reads `counter`.
static uint64_t rising_at(const loop_t *loop, const registers_t *fixed, uint64_t counter) {
    uint64_t value[32];
    value[loop->counter_rd] = counter;
    for (unsigned i = 0; i < loop->steps; i++) {
        const step_t *step = &loop->step[i];
        uint64_t left = value[step->rising];
        uint64_t right = step->immediate ? (uint64_t)step->value : fixed->value[step->fixed];
        switch (step->op) {
            case OP_ADD:
                left += right;
                break;
            case OP_SUB:
                left -= right;
                break;
            case OP_SRL:
                left >>= right;
                break;
            default:
                left = right ? left / right : UINT64_MAX;
                break;
        }
        value[step->rd] = left;
    }
    return value[is_rising(loop, loop->left) ? loop->left : loop->right];
}

static bool goes_on(const loop_t *loop, const registers_t *fixed, uint64_t rising) {
    bool rising_left = is_rising(loop, loop->left);
    uint64_t left = rising_left ? rising : fixed->value[loop->left];
    uint64_t right = rising_left ? fixed->value[loop->right] : rising;
    bool less = loop->compare >= 6 ? left < right : (int64_t)left < (int64_t)right;
    bool taken = (loop->compare & 1) ? !less : less;
    return taken == loop->loops_if_taken;
}

uint64_t delay_rounds(const uint8_t *code, unsigned bytes, uint64_t pc, uint64_t counter, uint64_t budget,
    delay_reg_t reg, void *context, unsigned *length) {
    (void)pc;
    loop_t loop;
    if (bytes < 8 || !find_loop(&loop, code, bytes)) {
        return 0;
    }
    *length = loop.length;
    uint64_t most = budget / loop.length;
    if (most < 2) {
        return 0;
    }
    registers_t fixed;
    for (unsigned i = 0; i < 32; i++) {
        if (loop.fixed >> i & 1) {
            fixed.value[i] = i ? reg(context, i) : 0;
        }
    }
    uint64_t first = rising_at(&loop, &fixed, counter);
    uint64_t last = rising_at(&loop, &fixed, counter + most * loop.length);
    // It must not wrap on the way, nor change its sign where that matters.
    if (last < first || (loop.compare < 6 && (int64_t)last < (int64_t)first) || !goes_on(&loop, &fixed, first)) {
        return 0;
    }
    if (goes_on(&loop, &fixed, last)) {
        return most;
    }
    uint64_t low = 0, high = most;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (goes_on(&loop, &fixed, rising_at(&loop, &fixed, counter + middle * loop.length))) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}
