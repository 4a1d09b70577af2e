// Counting instructions: Unicorn reports each block as it begins, its length is decoded once.

#include "core.h"

static unsigned decode_block(const uint8_t *code, uint32_t size) {
    unsigned count = 0;
    bool effects = false;
    const uint8_t *last = code;
    for (const uint8_t *at = code, *end = code + size; at < end; at += insn_length(at)) {
        last = at;
        count++;
        effects |= insn_has_effects(at);
    }
    unsigned entry = count & BLOCK_COUNT_MASK;
    if (effects) {
        entry |= BLOCK_EFFECTS;
    }
    if (size != 0 && insn_transfers(last)) {
        entry |= BLOCK_TRANSFERS;
        if (fetch16(last) == (INSN_FENCE_I & 0xffff)) {
            entry |= BLOCK_FENCE_I;
        }
        if (insn_length(last) == 4 && reads_user_counter(fetch32(last))) {
            entry |= BLOCK_COUNTER;
        }
    }
    return entry;
}

// Unicorn lets every mode read the user's counters, and takes the host's ticks for them. Such an
// instruction gets a hook of its own, for which its block has to be translated anew; true when so.
static bool hook_counter(hart_t *hart, uint64_t pc) {
    for (unsigned i = 0; i < hart->counters; i++) {
        if (hart->counter[i] == pc) {
            return false;
        }
    }
    uc_hook hook;
    if (hart->counters == MAX_COUNTERS
        || unicorn.hook_add(hart->uc, &hook, UC_HOOK_CODE, on_counter, hart, pc, pc) != UC_ERR_OK) {
        return false;
    }
    hart->counter[hart->counters++] = pc;
    hart->flush = true;
    return true;
}

void on_block(uc_engine *uc, uint64_t pc, uint32_t size, void *user) {
    hart_t *hart = user;
    uint64_t now = hart->state->cycles + hart->block_insns;
    hart->state->cycles = now;
    if (__builtin_expect(hart->block_ends && (now >= hart->limit || hart->block_fences), 0)) {
        hart->flush = hart->block_fences;
        hart->block_fences = false;
        hart->block_insns = 0;
        hart->at_boundary = true;
        unicorn.emu_stop(uc);
        return;
    }
    core_t *core = hart->core;
    unsigned entry;
    uint64_t offset = pc - core->memory[0].base;
    if (__builtin_expect(offset < core->memory[0].size, 1)) {
        uint16_t *slot = &hart->blocks[offset >> 1];
        entry = *slot;
        if (__builtin_expect(entry == 0, 0)) {
            *slot = entry = decode_block(core->memory[0].host + offset, size);
            mark_code(core, offset, size);
        }
    } else {
        unsigned index;
        const uint8_t *code = host_code(core, pc, &index, &offset);
        entry = code ? decode_block(code, size) : (size / 4) | BLOCK_TRANSFERS;
    }
    hart->seen |= entry;
    if (__builtin_expect(entry & BLOCK_COUNTER, 0) && hook_counter(hart, pc + size - 4)) {
        hart->block_insns = 0;
        hart->at_boundary = true;
        unicorn.emu_stop(uc);
        return;
    }
    if (pc == hart->block_pc) {
        uint64_t repeats = ++hart->repeats;
        bool look =
            !(entry & BLOCK_EFFECTS) && ((repeats & (repeats - 1)) == 0 || ((repeats - 1) & (repeats - 2)) == 0);
        if (__builtin_expect(look, 0) && spins(hart, pc, entry, now)) {
            hart->block_insns = 0;
            hart->at_boundary = true;
            unicorn.emu_stop(uc);
            return;
        }
    } else {
        hart->repeats = 0;
    }
    hart->block_pc = pc;
    hart->block_insns = entry & BLOCK_COUNT_MASK;
    hart->block_ends = (entry & BLOCK_TRANSFERS) != 0;
    hart->block_fences = (entry & BLOCK_FENCE_I) != 0;
}

void on_translate(uc_engine *uc, uc_tb *block, uc_tb *previous, void *user) {
    (void)uc;
    (void)previous;
    hart_t *hart = user;
    core_t *core = hart->core;
    unsigned index;
    uint64_t offset;
    const uint8_t *code = host_code(core, block->pc, &index, &offset);
    if (code != NULL && index <= 1) {
        mark_code(core, offset, block->size);
        if (index == 0) {
            hart->blocks[offset >> 1] = decode_block(code, block->size);
        }
    }
}

// Unicorn may translate the first block of a run without telling on_translate.
void forget_block(hart_t *hart, uint64_t pc) {
    uint64_t offset = pc - hart->core->memory[0].base;
    if (offset < hart->core->memory[0].size) {
        hart->blocks[offset >> 1] = 0;
    }
}
