// Windows and turns: who runs, how far, and when Python is wanted.

#include <time.h>

#include "core.h"

// Both harts busy: they take turns after so many cycles. One busy: it runs on, but the loop looks
// at the host's clock now and then.
#define LONG_WINDOW (4000000)
#define HOST_SLICE_NS (4000000)

uint64_t core_now(core_t *core) {
    if (core->running >= 0) {
        return hart_now(&core->hart[core->running]);
    }
    uint64_t a = core->hart[0].state->cycles;
    uint64_t b = core->hart[1].state->cycles;
    return a < b ? a : b;
}

void shorten_window(core_t *core, uint64_t cycle) {
    if (cycle < core->window) {
        core->window = cycle;
        if (core->running >= 0) {
            core->hart[core->running].limit = cycle;
        }
    }
}

// The running hart goes on to the end of its straight line, then the window ends.
void end_window(core_t *core) {
    shorten_window(core, core_now(core));
}

// To be called before each emu_start.
static void begin(hart_t *hart) {
    hart->block_insns = 0;
    hart->block_pc = 0;
    hart->polling.valid = hart->spinning.valid = false;
    hart->block_ends = hart->block_fences = hart->at_boundary = hart->trapped = false;
}

static void run_hart(core_t *core, unsigned number) {
    hart_t *hart = &core->hart[number];
    hart_state_t *state = hart->state;
    core->running = number;
    hart->limit = core->window;
    state->spinning = 0;
    uint64_t pc = get_reg(hart, UC_RISCV_REG_PC);
    uint64_t interrupted = take_interrupt(hart, pc);
    if (interrupted != pc) {
        set_pc(hart, interrupted);
    }
    // A reservation does not outlive the other hart's turn; setting the mode drops it.
    set_reg(hart, UC_RISCV_REG_PRIV, PRIV_USER);
    do {
        pc = get_reg(hart, UC_RISCV_REG_PC);
        begin(hart);
        forget_block(hart, pc);
        uc_err error = unicorn.emu_start(hart->uc, pc, 0, 0, 0);
        hart->in_access = false;
        if (hart->misaligned) {
            enter_misaligned(hart, get_reg(hart, UC_RISCV_REG_PC));
        } else if (error != UC_ERR_OK && !hart->trapped) {
            enter_fault(hart, error, get_reg(hart, UC_RISCV_REG_PC));
            if (state->crashed) {
                break;
            }
        } else if (!hart->at_boundary && !hart->trapped) {
            end_block(hart, get_reg(hart, UC_RISCV_REG_PC));
        }
        if (hart->flush) {
            hart->flush = false;
            unicorn.ctl(hart->uc, UC_CTL_WRITE(UC_CTL_TB_FLUSH, 0));
        }
    } while (!core->stop && !state->idle && !state->crashed && state->cycles < hart->limit);
    core->running = -1;
}

static uint64_t host_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

void idle_until(hart_state_t *state, uint64_t cycle) {
    if (state->cycles < cycle) {
        state->stalled += cycle - state->cycles;
        state->cycles = cycle;
    }
}

// One round of turns.
static void run_window(core_t *core) {
    hart_state_t *a = core->hart[0].state;
    hart_state_t *b = core->hart[1].state;
    uint64_t behind = a->idle ? b->cycles : b->idle || a->cycles < b->cycles ? a->cycles : b->cycles;
    uint64_t length = a->idle || b->idle ? LONG_WINDOW : core->turn;
    core->window = core->until - behind > length ? behind + length : core->until;
    for (unsigned i = 0; i < HARTS; i++) {
        hart_state_t *state = core->hart[i].state;
        if (!state->idle && state->cycles < core->window) {
            run_hart(core, i);
        }
        if (core->stop || state->crashed) {
            return;
        }
    }
}

static void wake(hart_state_t *state) {
    if (state->idle == IDLE_WFI && (state->mip & state->mie)) {
        state->idle = 0;
    }
}

int run(core_t *core) {
    hart_state_t *a = core->hart[0].state;
    hart_state_t *b = core->hart[1].state;
    uint64_t deadline = host_ns() + HOST_SLICE_NS;
    for (unsigned rounds = 0;; rounds++) {
        if (core->stop) {
            return RUN_STOPPED;
        }
        if (a->crashed || b->crashed) {
            return RUN_CRASHED;
        }
        if (a->idle && !b->idle) {
            idle_until(a, b->cycles);
        } else if (b->idle && !a->idle) {
            idle_until(b, a->cycles);
        }
        wake(a);
        wake(b);
        if (a->idle && b->idle) {
            idle_until(a, core->until);
            idle_until(b, core->until);
            return RUN_DUE;
        }
        uint64_t behind = a->cycles < b->cycles ? a->cycles : b->cycles;
        if (behind >= core->until) {
            return RUN_DUE;
        }
        if ((rounds & 31) == 31 && host_ns() > deadline) {
            return RUN_YIELD;
        }
        run_window(core);
    }
}

// Executes one instruction of a hart. Interrupts wait, wfi does not; the other hart stands still
// while the cycle passes.
void step(core_t *core, unsigned number) {
    hart_t *hart = &core->hart[number];
    hart_state_t *state = hart->state;
    hart_state_t *other = core->hart[!number].state;
    uint64_t start = state->cycles;
    uint64_t traps = state->traps;
    uint64_t pc = get_reg(hart, UC_RISCV_REG_PC);
    int eager = core->eager;
    core->eager = ~0;
    core->running = (int)number;
    core->stepping = true;
    core->window = core->until = hart->limit = UINT64_MAX;
    state->idle = state->spinning = 0;
    begin(hart);
    // Code translated before has no instruction count in it.
    unicorn.ctl(hart->uc, UC_CTL_WRITE(UC_CTL_TB_FLUSH, 0));
    uc_err error = unicorn.emu_start(hart->uc, pc, 0, 0, 1);
    hart->in_access = false;
    if (hart->misaligned) {
        enter_misaligned(hart, get_reg(hart, UC_RISCV_REG_PC));
    } else if (error != UC_ERR_OK && !hart->trapped) {
        enter_fault(hart, error, get_reg(hart, UC_RISCV_REG_PC));
    }
    // A trap at another pc is that of the next instruction's fetch.
    state->cycles = start + (state->traps == traps || state->mepc != pc);
    state->idle = 0;
    hart->flush = false;
    unicorn.ctl(hart->uc, UC_CTL_WRITE(UC_CTL_TB_FLUSH, 0));
    idle_until(other, state->cycles);
    core->stepping = core->stop = false;
    core->eager = eager;
    core->running = -1;
}
