// Waiting loops.
//
// A loop without stores that comes back to its head with the same registers, having read only
// memory and registers that change at events, will do so until the window ends. Whole laps of it
// are skipped; what remains is executed, so the result is the same as without.

#include "core.h"
#include "delay.h"

#define SPIN_REPEATS (256)

void read_registers(hart_t *hart, uint64_t *x) {
    static int ids[REGS];
    void *values[REGS];
    for (unsigned i = 0; i < REGS; i++) {
        ids[i] = UC_RISCV_REG_X0 + 1 + i;
        values[i] = &x[i];
    }
    unicorn.reg_read_batch(hart->uc, ids, values, REGS);
}

// Called at the head of a loop; true when it stands as it stood a lap ago.
static bool unchanged(hart_t *hart, loop_t *loop, uint64_t now) {
    uint64_t x[REGS];
    read_registers(hart, x);
    bool same = loop->valid && memcmp(x, loop->x, sizeof(x)) == 0;
    memcpy(loop->x, x, sizeof(x));
    loop->valid = true;
    loop->cycle = now;
    return same;
}

void poll_skip(hart_t *hart) {
    if (hart->core->eager & EAGER_POLLING) {
        return;
    }
    loop_t *loop = &hart->polling;
    uint64_t pc = hart->access_pc;
    if (hart->seen & BLOCK_EFFECTS) {
        loop->valid = false;
    }
    if (loop->pc != pc) {
        // Another read of the same lap, or another loop.
        if (loop->valid && hart->accesses - loop->access < 16) {
            return;
        }
        loop->pc = pc;
        loop->patience = 2;
        loop->visits = 0;
        loop->valid = false;
    }
    loop->access = hart->accesses;
    hart->seen = 0;
    if (++loop->visits < loop->patience) {
        loop->valid = false;
        return;
    }
    uint64_t now = hart_now(hart);
    uint64_t lap = now - loop->cycle;
    bool tried = loop->valid;
    if (unchanged(hart, loop, now)) {
        if (lap && hart->limit > now + lap) {
            uint64_t skipped = (hart->limit - 1 - now) / lap * lap;
            hart->state->cycles += skipped;
            hart->state->polled += skipped;
            loop->cycle = hart_now(hart);
        }
    } else if (tried) {
        loop->visits = 0;
        loop->patience = loop->patience < 256 ? loop->patience * 2 : 256;
        loop->valid = false;
    }
}

// A block that jumps to itself, when it does so for the 2^n-th time or the one after: lets the rest of
// the window pass when it waits.
bool spins(hart_t *hart, uint64_t pc, unsigned entry, uint64_t now) {
    uint64_t lap = entry & BLOCK_COUNT_MASK;
    loop_t *loop = &hart->spinning;
    if (hart->accesses != loop->access || (hart->core->eager & EAGER_SPINNING)) {
        loop->access = hart->accesses;
        loop->valid = false;
        hart->repeats = 0;
        return false;
    }
    if (lap != 1 && pc != hart->proven_pc && hart->repeats < SPIN_REPEATS) {
        return false;
    }
    bool compared = loop->valid;
    if (!unchanged(hart, loop, now)) {
        if (compared) {
            hart->proven_pc = 0;
            loop->valid = false;
        }
        return false;
    }
    hart->proven_pc = pc;
    uint64_t skipped = (hart->limit - now + lap - 1) / lap * lap;
    hart->state->cycles = now + skipped;
    hart->state->polled += skipped;
    hart->state->spinning = lap == 1;
    return true;
}

static uint64_t delay_reg(void *context, unsigned reg) {
    return get_reg(context, UC_RISCV_REG_X0 + reg);
}

// A loop that waits for the cycle counter to reach something: lets the rounds pass that change
// nothing. The last ones are executed, so every register ends as it should.
void skip_delay(hart_t *hart, uint64_t pc, uint64_t counter) {
    hart_state_t *state = hart->state;
    uint64_t now = state->cycles;
    bool again =
        !(hart->core->eager & EAGER_DELAYS) && hart->counter_pc == pc && now - hart->counter_cycle <= DELAY_MAX_INSNS;
    if (again && hart->limit > now + 1) {
        unsigned index, length;
        uint64_t offset;
        const uint8_t *code = host_code(hart->core, pc, &index, &offset);
        if (code != NULL && hart->core->memory[index].size - offset >= DELAY_CODE_BYTES) {
            uint64_t rounds =
                delay_rounds(code, DELAY_CODE_BYTES, pc, counter, hart->limit - 1 - now, delay_reg, hart, &length);
            state->cycles += rounds * length;
        }
    }
    hart->counter_pc = pc;
    hart->counter_cycle = state->cycles;
}
