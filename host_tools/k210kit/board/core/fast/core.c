// The board's run loop on two Unicorn engines: exact instruction counts, traps, device accesses.
//
// What a window, a boundary and the limit are stands in core/runner.py, whose pure-Python loop
// gives the same results. Python is entered only for registers with effects.

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <time.h>
#include <unicorn/unicorn.h>

#include "decode.h"
#include "delay.h"
#include "hart.h"

#define HARTS (2)
#define MAX_COUNTERS (256)
#define READ_FAST (1)
#define WRITE_FAST (2)

// Both harts busy: they take turns after so many cycles. One busy: it runs on, but the loop looks
// at the host's clock now and then.
#define LONG_WINDOW (4000000)
#define HOST_SLICE_NS (4000000)

enum { RUN_DUE, RUN_YIELD, RUN_STOPPED, RUN_CRASHED };

// A table entry per half-word of code memory: the block that starts there.
#define BLOCK_COUNT_MASK (0x0fff)
#define BLOCK_COUNTER (0x1000)
#define BLOCK_EFFECTS (0x2000)
#define BLOCK_FENCE_I (0x4000)
#define BLOCK_TRANSFERS (0x8000)

typedef struct {
    uint64_t base;
    uint64_t size;
    uint8_t *host;
    bool writable;
} memory_t;

typedef struct {
    uint64_t base;
    uint64_t span; // bytes of address space
    uint64_t size; // bytes of `words`
    uint32_t *words;
    uint8_t *flags;
    uint32_t *masks;
    PyObject *read;
    PyObject *write;
    Py_buffer words_view;
    Py_buffer flags_view;
    Py_buffer masks_view;
} device_t;

struct core_s;

// A loop that may be waiting: where it starts and the registers when it was there last.
typedef struct {
    uint64_t pc;
    uint64_t cycle;
    uint64_t access;
    unsigned visits;
    unsigned patience; // visits to let pass before the next look
    bool valid;
    uint64_t x[31];
} loop_t;

typedef struct {
    struct core_s *core;
    hart_state_t *state;
    uc_engine *uc;
    uint16_t *blocks; // of memory 0
    uint64_t limit;
    uint64_t block_pc;
    uint64_t block_insns;
    uint64_t access_pc; // of the device access under way
    uint64_t fault_address;
    loop_t polling; // head: a device read
    loop_t spinning; // head: a block that jumps to itself
    uint64_t repeats;
    uint64_t proven_pc; // a block found to spin in an earlier window
    uint64_t accesses; // device accesses so far
    unsigned seen; // flags of all blocks since the polling head
    uint64_t counter_pc; // of the last read of a cycle counter, and its cycle
    uint64_t counter_cycle;
    unsigned counters; // instructions that read a user counter
    uint64_t counter[MAX_COUNTERS];
    bool in_access;
    bool block_ends;
    bool block_fences;
    bool at_boundary;
    bool trapped;
    bool flush;
} hart_t;

typedef struct core_s {
    PyObject_HEAD hart_t hart[HARTS];
    memory_t memory[4];
    unsigned memories;
    device_t *device[64];
    unsigned devices;
    uint8_t *code_pages; // per page of memory 0: translated code of any hart
    uint64_t until; // where run() returns; an event scheduled meanwhile brings it nearer
    uint64_t window;
    uint64_t turn; // cycles of a turn when both harts are busy
    int running; // hart whose turn it is, or -1
    volatile bool stop;
    uint64_t counter_reads; // by CSR instructions
    bool stepping; // a debugger executes a single instruction
    uint64_t accesses; // register accesses served
    int eager; // execute every round of waiting loops (for tests)
    bool started;
    PyThreadState *thread; // while the interpreter is released
    PyObject *error_type, *error_value, *error_trace;
} core_t;

static struct {
    uc_err (*emu_start)(uc_engine *, uint64_t, uint64_t, uint64_t, size_t);
    uc_err (*emu_stop)(uc_engine *);
    uc_err (*reg_read)(uc_engine *, int, void *);
    uc_err (*reg_write)(uc_engine *, int, const void *);
    uc_err (*reg_read_batch)(uc_engine *, int *, void **, int);
    uc_err (*reg_write_batch)(uc_engine *, int *, void **, int);
    uc_err (*hook_add)(uc_engine *, uc_hook *, int, void *, void *, uint64_t, uint64_t, ...);
    uc_err (*mmio_map)(uc_engine *, uint64_t, size_t, uc_cb_mmio_read_t, void *, uc_cb_mmio_write_t, void *);
    uc_err (*mem_protect)(uc_engine *, uint64_t, size_t, uint32_t);
    uc_err (*ctl)(uc_engine *, uc_control_type, ...);
} unicorn;

// ---- Time and positions

static const uint8_t *host_code(core_t *core, uint64_t pc, unsigned *index, uint64_t *offset) {
    pc = (uint32_t)pc; // see on_fill
    for (unsigned i = 0; i < core->memories; i++) {
        if (pc - core->memory[i].base < core->memory[i].size) {
            *index = i;
            *offset = pc - core->memory[i].base;
            return core->memory[i].host + *offset;
        }
    }
    return NULL;
}

static uint64_t insns_before(hart_t *hart, uint64_t pc) {
    unsigned index;
    uint64_t offset;
    const uint8_t *code = host_code(hart->core, hart->block_pc, &index, &offset);
    if (code == NULL || pc <= hart->block_pc || pc - hart->block_pc > 4096) {
        return 0;
    }
    return insn_count(code, pc - hart->block_pc);
}

static uint64_t hart_now(hart_t *hart) {
    return hart->state->cycles + (hart->in_access ? insns_before(hart, hart->access_pc) : 0);
}

static uint64_t core_now(core_t *core) {
    if (core->running >= 0) {
        return hart_now(&core->hart[core->running]);
    }
    uint64_t a = core->hart[0].state->cycles;
    uint64_t b = core->hart[1].state->cycles;
    return a < b ? a : b;
}

static void shorten_window(core_t *core, uint64_t cycle) {
    if (cycle < core->window) {
        core->window = cycle;
        if (core->running >= 0) {
            core->hart[core->running].limit = cycle;
        }
    }
}

// The running hart goes on to the end of its straight line, then the window ends.
static void end_window(core_t *core) {
    shorten_window(core, core_now(core));
}

// ---- Python errors raised inside callbacks wait until the engine has returned

static void keep_error(core_t *core) {
    if (core->error_type == NULL) {
        PyErr_Fetch(&core->error_type, &core->error_value, &core->error_trace);
    } else {
        PyErr_Clear();
    }
    core->stop = true;
    end_window(core);
}

// ---- Waiting loops
//
// A loop without stores that comes back to its head with the same registers, having read only
// memory and registers that change at events, will do so until the window ends. Whole laps of it
// are skipped; what remains is executed, so the result is the same as without.

enum { REGS = 31 };

static void read_registers(hart_t *hart, uint64_t *x) {
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

static uint64_t hart_now(hart_t *hart);

static void poll_skip(hart_t *hart) {
    if (hart->core->eager & 1) {
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
            hart->state->cycles += (hart->limit - 1 - now) / lap * lap;
            loop->cycle = hart_now(hart);
        }
    } else if (tried) {
        loop->visits = 0;
        loop->patience = loop->patience < 256 ? loop->patience * 2 : 256;
        loop->valid = false;
    }
}

// ---- Blocks

#define PAGE_SHIFT (12)

// Memory 0 is SRAM; memory 1, when there, is its uncached alias.
static void mark_code(core_t *core, uint64_t offset, uint32_t size) {
    for (uint64_t page = offset >> PAGE_SHIFT; page <= (offset + size) >> PAGE_SHIFT; page++) {
        core->code_pages[page] = 1;
    }
}

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

#define SPIN_REPEATS (256)

// A block that jumps to itself for the n-th time: lets the rest of the window pass when it waits.
static bool spins(hart_t *hart, uint64_t pc, unsigned entry, uint64_t now) {
    uint64_t lap = entry & BLOCK_COUNT_MASK;
    loop_t *loop = &hart->spinning;
    if ((entry & BLOCK_EFFECTS) || hart->accesses != loop->access || (hart->core->eager & 2)) {
        loop->access = hart->accesses;
        hart->repeats = 0;
        return false;
    }
    if (lap != 1 && hart->repeats < (pc == hart->proven_pc ? 2 : SPIN_REPEATS)) {
        loop->valid = false;
        return false;
    }
    if (!unchanged(hart, loop, now)) {
        if (hart->repeats > SPIN_REPEATS + 1) {
            hart->repeats = 2;
            hart->proven_pc = 0;
        }
        return false;
    }
    hart->proven_pc = pc;
    hart->state->cycles = now + (hart->limit - now + lap - 1) / lap * lap;
    hart->state->spinning = lap == 1;
    return true;
}

static void on_counter(uc_engine *uc, uint64_t pc, uint32_t size, void *user);

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

static void on_block(uc_engine *uc, uint64_t pc, uint32_t size, void *user) {
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
        hart->repeats++;
        if (__builtin_expect(spins(hart, pc, entry, now), 0)) {
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

static void on_translate(uc_engine *uc, uc_tb *block, uc_tb *previous, void *user) {
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

// Whether a store to that page goes anywhere.
static bool takes_stores(const core_t *core, uint64_t page) {
    for (unsigned i = 0; i < core->memories; i++) {
        if (page - core->memory[i].base < core->memory[i].size) {
            return core->memory[i].writable;
        }
    }
    for (unsigned i = 0; i < core->devices; i++) {
        if (page - core->device[i]->base < core->device[i]->span) {
            return true;
        }
    }
    return false;
}

// Unicorn stores fast to pages that are not executable, and watches stores to those that are. A page
// becomes executable when a hart first fetches from it. The upper half of an address is not decoded
// (laanwj's memory map of the K210).
static bool on_fill(uc_engine *uc, uint64_t address, uc_mem_type type, uc_tlb_entry *entry, void *user) {
    (void)uc;
    core_t *core = ((hart_t *)user)->core;
    unsigned index;
    uint64_t offset;
    entry->paddr = address & 0xffffffff;
    bool code = type == UC_MEM_FETCH;
    if (host_code(core, entry->paddr, &index, &offset) != NULL && index <= 1) {
        if (code) {
            core->code_pages[offset >> PAGE_SHIFT] = 1;
        }
        code = core->code_pages[offset >> PAGE_SHIFT];
    }
    entry->perms = code ? UC_PROT_ALL : UC_PROT_READ | UC_PROT_WRITE;
    // A store that nothing takes has to be refused here: later on, Unicorn would go on behind it.
    return type != UC_MEM_WRITE || takes_stores(core, entry->paddr);
}

// ---- Traps

static uint64_t get_reg(hart_t *hart, int reg) {
    uint64_t value = 0;
    unicorn.reg_read(hart->uc, reg, &value);
    return value;
}

static void set_reg(hart_t *hart, int reg, uint64_t value) {
    unicorn.reg_write(hart->uc, reg, &value);
}

// After uc_reg_write of the pc Unicorn shows its hooks the pc of the block only, for as long as this
// run lasts; uc_reg_write_batch has no such after-effect.
static void set_pc(hart_t *hart, uint64_t value) {
    int id = UC_RISCV_REG_PC;
    void *at = &value;
    unicorn.reg_write_batch(hart->uc, &id, &at, 1);
}

// Guests run in Unicorn's user mode, so that every CSR instruction arrives here. Only whether the
// FPU is on lives in the engine's own mstatus.
static void set_engine_fs(hart_t *hart, uint64_t fs) {
    set_reg(hart, UC_RISCV_REG_PRIV, PRIV_MACHINE);
    set_reg(hart, UC_RISCV_REG_MSTATUS, (get_reg(hart, UC_RISCV_REG_MSTATUS) & ~MSTATUS_FS) | fs);
    set_reg(hart, UC_RISCV_REG_PRIV, PRIV_USER);
}

static void refresh_fs(hart_t *hart) {
    if (hart->state->mstatus & MSTATUS_FS) {
        set_reg(hart, UC_RISCV_REG_PRIV, PRIV_MACHINE);
        uint64_t fs = get_reg(hart, UC_RISCV_REG_MSTATUS) & MSTATUS_FS;
        set_reg(hart, UC_RISCV_REG_PRIV, PRIV_USER);
        hart->state->mstatus = (hart->state->mstatus & ~MSTATUS_FS) | fs;
    }
}

static uint64_t delay_reg(void *context, unsigned reg) {
    return get_reg(context, UC_RISCV_REG_X0 + reg);
}

// A loop that waits for the cycle counter to reach something: lets the rounds pass that change
// nothing. The last ones are executed, so every register ends as it should.
static void skip_delay(hart_t *hart, uint64_t pc, uint64_t counter) {
    hart_state_t *state = hart->state;
    uint64_t now = state->cycles;
    bool again = !(hart->core->eager & 4) && hart->counter_pc == pc && now - hart->counter_cycle <= DELAY_MAX_INSNS;
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

static bool reads_counter(uint32_t insn) {
    unsigned number = insn >> 20;
    // csrrs rd, counter, x0
    return (insn & 0xff07f) == 0x02073 && (number == 0xb00 || number == 0xb02 || number == 0xc00 || number == 0xc02);
}

// Executes the CSR instruction; false when it is illegal.
static bool execute_csr(hart_t *hart, uint32_t insn, uint64_t now) {
    hart_state_t *state = hart->state;
    unsigned number = insn >> 20;
    unsigned source = insn >> 15 & 31;
    unsigned rd = insn >> 7 & 31;
    unsigned op = insn >> 12 & 3;
    bool writes = op == 1 || source != 0;
    uint64_t operand = (insn >> 14 & 1) ? source : get_reg(hart, UC_RISCV_REG_X0 + source);
    uint64_t old;
    if (number == 0x300) {
        refresh_fs(hart);
    }
    if (hart_csr_read(state, number, now, &old) != CSR_OK) {
        return false;
    }
    if (writes) {
        uint64_t fs = state->mstatus & MSTATUS_FS;
        uint64_t value = op == 1 ? operand : op == 2 ? old | operand : old & ~operand;
        if (hart_csr_write(state, number, now, value) != CSR_OK) {
            return false;
        }
        if ((state->mstatus & MSTATUS_FS) != fs) {
            set_engine_fs(hart, state->mstatus & MSTATUS_FS);
        }
    }
    if (rd != 0) {
        set_reg(hart, UC_RISCV_REG_X0 + rd, old);
    }
    return true;
}

static uint32_t fetch_insn(core_t *core, uint64_t pc) {
    unsigned index;
    uint64_t offset;
    uint32_t insn = 0;
    const uint8_t *code = host_code(core, pc, &index, &offset);
    if (code != NULL) {
        memcpy(&insn, code, core->memory[index].size - offset >= 4 ? 4 : 2);
    }
    return insn;
}

// Enters the handler of an exception, keeping the registers for a crash report.
static uint64_t enter_exception(hart_t *hart, uint64_t cause, uint64_t pc, uint64_t tval, uint64_t now) {
    if (hart_keeps_fault(hart->state, cause, pc, now)) {
        read_registers(hart, &hart->state->fault_x[1]);
    }
    return hart_enter_trap(hart->state, cause, pc, tval, now);
}

// Executes a privileged instruction that Unicorn refused in user mode. Returns the next pc, or the
// handler's address when the instruction is truly illegal.
static uint64_t execute_system(hart_t *hart, uint64_t pc) {
    hart_state_t *state = hart->state;
    uint32_t insn = fetch_insn(hart->core, pc);
    uint64_t now = state->cycles;
    uint64_t next = pc + 4;
    bool legal = false;
    if ((insn & 0x7f) == 0x73) {
        uint64_t counter;
        if (insn >> 24 == 0xb0 || insn >> 24 == 0xc0) {
            hart->core->counter_reads++;
        }
        if (reads_counter(insn) && hart_csr_read(state, insn >> 20, now, &counter) == CSR_OK) {
            skip_delay(hart, pc, counter);
            now = state->cycles;
        }
        if (insn >> 12 & 3) {
            legal = execute_csr(hart, insn, now);
        } else if (insn == 0x30200073 && state->priv == PRIV_MACHINE) { // mret
            next = hart_return(state);
            legal = true;
        } else if (insn == 0x10500073) { // wfi
            state->idle = !(state->mip & state->mie);
            legal = true;
        } else if ((insn & 0xfff07fff) == 0x10400073) {
            // sfence.vm: there is no translation. The later sfence.vma is illegal on this core.
            legal = state->priv == PRIV_MACHINE;
        }
    }
    if (!legal) {
        return enter_exception(hart, CAUSE_ILLEGAL, pc, 0, now);
    }
    state->cycles = now + 1;
    return next;
}

static uint64_t take_interrupt(hart_t *hart, uint64_t pc) {
    uint64_t cause = hart->core->stepping ? 0 : hart_pending(hart->state);
    return cause ? hart_enter_trap(hart->state, cause, pc, 0, hart->state->cycles) : pc;
}

// Ends the block at `pc`, the instruction that trapped.
static void end_block(hart_t *hart, uint64_t pc) {
    hart->state->cycles += insns_before(hart, pc);
    hart->block_insns = 0;
    hart->block_pc = 0;
    hart->block_ends = true;
    hart->block_fences = false;
    hart->polling.valid = false;
}

static void after_trap(hart_t *hart, uint64_t pc) {
    hart_state_t *state = hart->state;
    if (!state->idle) {
        pc = take_interrupt(hart, pc);
    }
    if (state->idle || state->crashed) {
        hart->limit = 0;
    }
    set_pc(hart, pc);
}

static void on_exception(uc_engine *uc, uint32_t cause, void *user) {
    (void)uc;
    hart_t *hart = user;
    // Unicorn has moved pc on by 4.
    uint64_t pc = get_reg(hart, UC_RISCV_REG_PC) - 4;
    uint64_t next;
    end_block(hart, pc);
    if (cause == CAUSE_ILLEGAL) {
        next = execute_system(hart, pc);
    } else {
        uint64_t tval = 0;
        if (cause == CAUSE_USER_ECALL && hart->state->priv == PRIV_MACHINE) {
            cause = CAUSE_MACHINE_ECALL;
        } else if (cause == CAUSE_LOAD_MISALIGNED || cause == CAUSE_STORE_MISALIGNED) {
            // Only atomics get here, and they have no offset; all but LR count as stores.
            uint32_t insn = fetch_insn(hart->core, pc);
            cause = insn >> 27 == 2 ? CAUSE_LOAD_MISALIGNED : CAUSE_STORE_MISALIGNED;
            tval = get_reg(hart, UC_RISCV_REG_X0 + (insn >> 15 & 31));
        }
        next = enter_exception(hart, cause, pc, tval, hart->state->cycles);
    }
    after_trap(hart, next);
}

static void on_counter(uc_engine *uc, uint64_t pc, uint32_t size, void *user) {
    (void)uc;
    (void)size;
    hart_t *hart = user;
    if (reads_user_counter(fetch_insn(hart->core, pc))) {
        end_block(hart, pc);
        after_trap(hart, execute_system(hart, pc));
        // The one place where the pc has to be written in the middle of a block.
        set_reg(hart, UC_RISCV_REG_PC, get_reg(hart, UC_RISCV_REG_PC));
    }
}

// ebreak, and a jump to address 0, which Unicorn takes for its own end marker.
static bool on_invalid(uc_engine *uc, void *user) {
    hart_t *hart = user;
    uint64_t pc = get_reg(hart, UC_RISCV_REG_PC);
    if (pc == 0) {
        hart->state->cycles += hart->block_insns;
        hart->block_insns = 0;
        hart->block_ends = true;
        after_trap(hart, enter_exception(hart, CAUSE_FETCH_ACCESS, 0, 0, hart->state->cycles));
    } else {
        end_block(hart, pc);
        after_trap(hart, enter_exception(hart, CAUSE_BREAKPOINT, pc, pc, hart->state->cycles));
    }
    // Unicorn leaves with an error of its own after this.
    hart->trapped = true;
    unicorn.emu_stop(uc);
    return true;
}

static bool on_unmapped(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user) {
    (void)uc;
    (void)type;
    (void)size;
    (void)value;
    ((hart_t *)user)->fault_address = address;
    return false;
}

// ---- Device accesses

// Device pages carry no permission, so Unicorn comes here first, with the exact pc.
static bool on_device_access(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user) {
    (void)type;
    (void)size;
    (void)value;
    hart_t *hart = user;
    if (type == UC_MEM_FETCH_PROT) {
        hart->fault_address = address;
        return false;
    }
    unicorn.reg_read(uc, UC_RISCV_REG_PC, &hart->access_pc);
    hart->in_access = true;
    hart->accesses++;
    return true;
}

static void enter_python(core_t *core) {
    PyEval_RestoreThread(core->thread);
}

static void leave_python(core_t *core) {
    core->thread = PyEval_SaveThread();
}

typedef struct {
    core_t *core;
    device_t *device;
} mapping_t;

static uint64_t on_device_read(uc_engine *uc, uint64_t offset, unsigned size, void *user) {
    (void)uc;
    mapping_t *mapping = user;
    device_t *device = mapping->device;
    core_t *core = mapping->core;
    uint64_t value = 0;
    core->accesses++;
    if (offset < device->size && (device->flags[offset >> 2] & READ_FAST)) {
        hart_t *hart = &core->hart[core->running];
        value = device->words[offset >> 2] >> (offset & 3) * 8;
        if (hart->accesses != hart->polling.access) { // not the second half of a 64-bit read
            poll_skip(hart);
        }
        return size == 4 ? value : value & ((1ull << 8 * size) - 1);
    }
    core->hart[core->running].polling.valid = false;
    enter_python(core);
    PyObject *result = PyObject_CallFunction(device->read, "KI", (unsigned long long)offset, size);
    if (result != NULL) {
        value = PyLong_AsUnsignedLongLongMask(result);
        Py_DECREF(result);
    }
    if (PyErr_Occurred()) {
        keep_error(core);
    }
    leave_python(core);
    return value;
}

static void on_device_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user) {
    (void)uc;
    mapping_t *mapping = user;
    device_t *device = mapping->device;
    core_t *core = mapping->core;
    core->accesses++;
    core->hart[core->running].polling.valid = false;
    if (size == 4 && offset < device->size && (device->flags[offset >> 2] & WRITE_FAST)) {
        uint32_t *word = &device->words[offset >> 2];
        uint32_t mask = device->masks[offset >> 2];
        *word = (*word & ~mask) | (value & mask);
        return;
    }
    enter_python(core);
    PyObject *result =
        PyObject_CallFunction(device->write, "KIK", (unsigned long long)offset, size, (unsigned long long)value);
    if (result == NULL) {
        keep_error(core);
    }
    Py_XDECREF(result);
    leave_python(core);
}

// ---- The run loop

// The address of the store or atomic at `pc`.
static uint64_t store_address(hart_t *hart, uint64_t pc) {
    uint32_t insn = fetch_insn(hart->core, pc);
    unsigned base = 2;
    uint64_t offset = 0;
    bool word = (insn >> 13 & 7) == 6; // c.sw c.swsp; the others store 8 bytes
    if ((insn & 3) == 3) {
        base = insn >> 15 & 31;
        if ((insn & 0x7f) != 0x2f) {
            offset = (uint64_t)((int32_t)insn >> 25) << 5 | (insn >> 7 & 31);
        }
    } else if ((insn & 3) == 0) {
        base = 8 + (insn >> 7 & 7);
        offset = (insn >> 10 & 7) << 3 | (word ? (insn >> 6 & 1) << 2 | (insn >> 5 & 1) << 6 : (insn >> 5 & 3) << 6);
    } else {
        offset = word ? (insn >> 9 & 15) << 2 | (insn >> 7 & 3) << 6 : (insn >> 10 & 7) << 3 | (insn >> 7 & 7) << 6;
    }
    return get_reg(hart, UC_RISCV_REG_X0 + base) + offset;
}

static void enter_fault(hart_t *hart, uc_err error, uint64_t pc) {
    hart_state_t *state = hart->state;
    unsigned cause;
    switch (error) {
        case UC_ERR_EXCEPTION: // refused by on_fill
            hart->fault_address = store_address(hart, pc);
            cause = CAUSE_STORE_ACCESS;
            break;
        case UC_ERR_READ_UNMAPPED:
        case UC_ERR_READ_PROT: {
            // Unicorn loads first in an atomic; all but LR count as stores.
            uint32_t insn = fetch_insn(hart->core, pc);
            cause = (insn & 0x7f) == 0x2f && insn >> 27 != 2 ? CAUSE_STORE_ACCESS : CAUSE_LOAD_ACCESS;
            break;
        }
        case UC_ERR_WRITE_UNMAPPED:
        case UC_ERR_WRITE_PROT:
            cause = CAUSE_STORE_ACCESS;
            break;
        default:
            cause = CAUSE_FETCH_ACCESS;
            break;
    }
    if (cause == CAUSE_FETCH_ACCESS) {
        // The block before is complete; the new one never began.
        state->cycles += hart->block_insns;
        hart->block_insns = 0;
        hart->block_ends = true;
        pc = hart->fault_address;
    } else {
        end_block(hart, pc);
    }
    pc = enter_exception(hart, cause, pc, hart->fault_address, state->cycles);
    set_pc(hart, pc);
}

// To be called before each emu_start.
static void begin(hart_t *hart) {
    hart->block_insns = 0;
    hart->block_pc = 0;
    hart->polling.valid = hart->spinning.valid = false;
    hart->block_ends = hart->block_fences = hart->at_boundary = hart->trapped = false;
}

// Unicorn may translate the first block of a run without telling on_translate.
static void forget_block(hart_t *hart, uint64_t pc) {
    uint64_t offset = pc - hart->core->memory[0].base;
    if (offset < hart->core->memory[0].size) {
        hart->blocks[offset >> 1] = 0;
    }
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
        if (error != UC_ERR_OK && !hart->trapped) {
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

static void idle_until(hart_state_t *state, uint64_t cycle) {
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

static int run(core_t *core) {
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

// ---- For debuggers

// Executes one instruction of a hart. Interrupts wait, wfi does not; the other hart stands still
// while the cycle passes.
static void step(core_t *core, unsigned number) {
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
    if (error != UC_ERR_OK && !hart->trapped) {
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

// ---- The Python type

static int resolve(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        PyErr_Format(PyExc_OSError, "cannot load Unicorn: %s", dlerror());
        return -1;
    }
    unicorn.emu_start = dlsym(library, "uc_emu_start");
    unicorn.emu_stop = dlsym(library, "uc_emu_stop");
    unicorn.reg_read = dlsym(library, "uc_reg_read");
    unicorn.reg_write = dlsym(library, "uc_reg_write");
    unicorn.reg_read_batch = dlsym(library, "uc_reg_read_batch");
    unicorn.reg_write_batch = dlsym(library, "uc_reg_write_batch");
    unicorn.hook_add = dlsym(library, "uc_hook_add");
    unicorn.mmio_map = dlsym(library, "uc_mmio_map");
    unicorn.mem_protect = dlsym(library, "uc_mem_protect");
    unicorn.ctl = dlsym(library, "uc_ctl");
    if (!unicorn.emu_start || !unicorn.emu_stop || !unicorn.reg_read || !unicorn.reg_write || !unicorn.reg_read_batch
        || !unicorn.reg_write_batch || !unicorn.hook_add || !unicorn.mmio_map || !unicorn.mem_protect || !unicorn.ctl) {
        PyErr_SetString(PyExc_OSError, "this Unicorn lacks a function that the board needs");
        return -1;
    }
    return 0;
}

static int check(uc_err error, const char *what) {
    if (error != UC_ERR_OK) {
        PyErr_Format(PyExc_RuntimeError, "Unicorn: %s failed with error %d", what, error);
        return -1;
    }
    return 0;
}

// Ranges outside RAM: Unicorn keeps stores to a page slow while a memory hook covers it.
static const uint64_t outside_ram[][2] = {
    {0, 0x3fffffff},
    {0x40800000, 0x7fffffff},
    {0x80800000, 0xffffffff},
};

static int add_hooks(hart_t *hart) {
    uc_hook hook;
    struct {
        int type;
        void *callback;
    } hooks[] = {
        {UC_HOOK_BLOCK, on_block},
        {UC_HOOK_EDGE_GENERATED, on_translate},
        {UC_HOOK_INTR, on_exception},
        {UC_HOOK_INSN_INVALID, on_invalid},
        {UC_HOOK_TLB_FILL, on_fill},
    };
    for (unsigned i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
        if (check(unicorn.hook_add(hart->uc, &hook, hooks[i].type, hooks[i].callback, hart, 1, 0), "hook_add")) {
            return -1;
        }
    }
    int unmapped = UC_HOOK_MEM_READ_UNMAPPED | UC_HOOK_MEM_WRITE_UNMAPPED | UC_HOOK_MEM_FETCH_UNMAPPED;
    int device = UC_HOOK_MEM_READ_PROT | UC_HOOK_MEM_WRITE_PROT | UC_HOOK_MEM_FETCH_PROT;
    for (unsigned i = 0; i < sizeof(outside_ram) / sizeof(*outside_ram); i++) {
        uint64_t low = outside_ram[i][0], high = outside_ram[i][1];
        if (check(unicorn.hook_add(hart->uc, &hook, unmapped, on_unmapped, hart, low, high), "hook_add")
            || check(unicorn.hook_add(hart->uc, &hook, device, on_device_access, hart, low, high), "hook_add")) {
            return -1;
        }
    }
    return check(unicorn.ctl(hart->uc, UC_CTL_WRITE(UC_CTL_TLB_TYPE, 1), UC_TLB_VIRTUAL), "tlb_mode");
}

// Core(library, [(engine, state address)] * 2, [(base, size, host address, writable)], state size, turn)
static int core_init(core_t *core, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    const char *library;
    PyObject *harts, *memories;
    unsigned long long state_size, turn;
    if (!PyArg_ParseTuple(args, "sOOKK", &library, &harts, &memories, &state_size, &turn)) {
        return -1;
    }
    if (state_size != sizeof(hart_state_t)) {
        PyErr_Format(
            PyExc_RuntimeError, "hart state has %llu bytes in Python and %zu in C", state_size, sizeof(hart_state_t));
        return -1;
    }
    if (resolve(library)) {
        return -1;
    }
    core->running = -1;
    core->turn = turn;
    core->memories = (unsigned)PyList_Size(memories);
    if (core->memories > 4 || PyList_Size(harts) != HARTS) {
        PyErr_SetString(PyExc_ValueError, "two harts and at most four memories");
        return -1;
    }
    for (unsigned i = 0; i < core->memories; i++) {
        unsigned long long base, size, host;
        int writable;
        if (!PyArg_ParseTuple(PyList_GetItem(memories, i), "KKKp", &base, &size, &host, &writable)) {
            return -1;
        }
        core->memory[i] = (memory_t){base, size, (uint8_t *)(uintptr_t)host, writable};
    }
    core->code_pages = calloc((core->memory[0].size >> PAGE_SHIFT) + 1, 1);
    if (core->code_pages == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (unsigned i = 0; i < HARTS; i++) {
        hart_t *hart = &core->hart[i];
        unsigned long long engine, state;
        if (!PyArg_ParseTuple(PyList_GetItem(harts, i), "KK", &engine, &state)) {
            return -1;
        }
        hart->core = core;
        hart->uc = (uc_engine *)(uintptr_t)engine;
        hart->state = (hart_state_t *)(uintptr_t)state;
        hart->blocks = calloc(core->memory[0].size >> 1, sizeof(uint16_t));
        if (hart->blocks == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (add_hooks(hart)) {
            return -1;
        }
    }
    return 0;
}

static void release_views(device_t *device);

static void core_dealloc(core_t *core) {
    for (unsigned i = 0; i < HARTS; i++) {
        free(core->hart[i].blocks);
    }
    free(core->code_pages);
    for (unsigned i = 0; i < core->devices; i++) {
        device_t *device = core->device[i];
        release_views(device);
        Py_XDECREF(device->read);
        Py_XDECREF(device->write);
        free(device);
    }
    Py_TYPE(core)->tp_free((PyObject *)core);
}

static void release_views(device_t *device) {
    PyBuffer_Release(&device->words_view);
    PyBuffer_Release(&device->flags_view);
    PyBuffer_Release(&device->masks_view);
}

// map_device(base, size, words, flags, masks, read, write)
static PyObject *core_map_device(core_t *core, PyObject *args) {
    unsigned long long base, size;
    PyObject *words, *flags, *masks, *read, *write;
    if (!PyArg_ParseTuple(args, "KKOOOOO", &base, &size, &words, &flags, &masks, &read, &write)) {
        return NULL;
    }
    device_t *device = calloc(1, sizeof(device_t));
    mapping_t *mapping = malloc(sizeof(mapping_t));
    if (device == NULL || mapping == NULL || core->devices == 64) {
        free(device);
        free(mapping);
        return PyErr_NoMemory();
    }
    if (PyObject_GetBuffer(words, &device->words_view, PyBUF_WRITABLE)
        || PyObject_GetBuffer(flags, &device->flags_view, PyBUF_WRITABLE)
        || PyObject_GetBuffer(masks, &device->masks_view, PyBUF_WRITABLE)) {
        release_views(device);
        free(device);
        free(mapping);
        return NULL;
    }
    device->base = base;
    device->span = size;
    device->size = device->words_view.len;
    device->words = device->words_view.buf;
    device->flags = device->flags_view.buf;
    device->masks = device->masks_view.buf;
    device->read = Py_NewRef(read);
    device->write = Py_NewRef(write);
    core->device[core->devices++] = device;
    *mapping = (mapping_t){core, device};
    for (unsigned i = 0; i < HARTS; i++) {
        uc_engine *uc = core->hart[i].uc;
        if (check(unicorn.mmio_map(uc, base, size, on_device_read, mapping, on_device_write, mapping), "mmio_map")
            || check(unicorn.mem_protect(uc, base, size, UC_PROT_NONE), "mem_protect")) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

// `result`, unless a callback has raised.
static PyObject *finish(core_t *core, PyObject *result) {
    if (core->error_type != NULL) {
        PyErr_Restore(core->error_type, core->error_value, core->error_trace);
        core->error_type = core->error_value = core->error_trace = NULL;
        Py_CLEAR(result);
    }
    return result;
}

static PyObject *core_run(core_t *core, PyObject *args) {
    unsigned long long until;
    if (!PyArg_ParseTuple(args, "K", &until)) {
        return NULL;
    }
    core->until = until;
    leave_python(core);
    int reason = run(core);
    enter_python(core);
    core->stop = false;
    return finish(core, PyLong_FromLong(reason));
}

static PyObject *core_now_method(core_t *core, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(core_now(core));
}

static PyObject *core_shorten_method(core_t *core, PyObject *args) {
    unsigned long long cycle;
    if (!PyArg_ParseTuple(args, "K", &cycle)) {
        return NULL;
    }
    shorten_window(core, cycle);
    if (cycle < core->until) {
        core->until = cycle;
    }
    Py_RETURN_NONE;
}

static PyObject *core_end_window_method(core_t *core, PyObject *unused) {
    (void)unused;
    end_window(core);
    Py_RETURN_NONE;
}

static PyObject *core_stop_method(core_t *core, PyObject *unused) {
    (void)unused;
    core->stop = true;
    end_window(core);
    Py_RETURN_NONE;
}

static PyObject *core_running_method(core_t *core, PyObject *unused) {
    (void)unused;
    return PyLong_FromLong(core->running);
}

// drop_code(): forget how long the blocks are, when translated code was dropped as a whole.
static PyObject *core_drop_code(core_t *core, PyObject *unused) {
    (void)unused;
    for (unsigned i = 0; i < HARTS; i++) {
        hart_t *hart = &core->hart[i];
        memset(hart->blocks, 0, (core->memory[0].size >> 1) * sizeof(uint16_t));
        memset(core->code_pages, 0, core->memory[0].size >> PAGE_SHIFT);
        unicorn.ctl(hart->uc, UC_CTL_WRITE(UC_CTL_TB_FLUSH, 0));
    }
    Py_RETURN_NONE;
}

// invalidate(offset, size): drop translated code in that range of SRAM, under both its addresses.
static PyObject *core_invalidate(core_t *core, PyObject *args) {
    unsigned long long offset, size;
    if (!PyArg_ParseTuple(args, "KK", &offset, &size)) {
        return NULL;
    }
    if (size == 0 || offset >= core->memory[0].size || size > core->memory[0].size - offset) {
        Py_RETURN_NONE;
    }
    for (uint64_t page = offset >> PAGE_SHIFT; page <= (offset + size - 1) >> PAGE_SHIFT; page++) {
        if (!core->code_pages[page]) {
            continue;
        }
        uint64_t start = page << PAGE_SHIFT;
        for (unsigned i = 0; i < HARTS * 2; i++) {
            uint64_t base = core->memory[i & 1].base + start;
            unicorn.ctl(core->hart[i >> 1].uc, UC_CTL_WRITE(UC_CTL_TB_REMOVE_CACHE, 2), base, base + (1 << PAGE_SHIFT));
        }
        core->code_pages[page] = 0;
        for (unsigned i = 0; i < HARTS; i++) {
            memset(core->hart[i].blocks + (start >> 1), 0, (1 << PAGE_SHIFT) / 2 * sizeof(uint16_t));
        }
    }
    Py_RETURN_NONE;
}

static PyObject *core_set_fs(core_t *core, PyObject *args) {
    unsigned number;
    unsigned long long fs;
    if (!PyArg_ParseTuple(args, "IK", &number, &fs)) {
        return NULL;
    }
    set_engine_fs(&core->hart[number & 1], fs & MSTATUS_FS);
    Py_RETURN_NONE;
}

static PyObject *core_counter_reads(core_t *core, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(core->counter_reads);
}

// step(hart): execute one instruction of that hart alone.
static PyObject *core_step(core_t *core, PyObject *args) {
    unsigned number;
    if (!PyArg_ParseTuple(args, "I", &number)) {
        return NULL;
    }
    leave_python(core);
    step(core, number & 1);
    enter_python(core);
    return finish(core, Py_NewRef(Py_None));
}

// break_here(): stop before the instruction whose hook calls this, not at the next boundary.
static PyObject *core_break_here(core_t *core, PyObject *unused) {
    (void)unused;
    core->stop = true;
    if (core->running >= 0) {
        end_window(core);
        unicorn.emu_stop(core->hart[core->running].uc);
    }
    Py_RETURN_NONE;
}

static PyObject *core_accesses(core_t *core, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(core->accesses);
}

// be_eager(on): execute waiting loops round by round, which gives the same results slower.
static PyObject *core_be_eager(core_t *core, PyObject *args) {
    int on;
    if (!PyArg_ParseTuple(args, "i", &on)) {
        return NULL;
    }
    core->eager = on;
    Py_RETURN_NONE;
}

static PyMethodDef core_methods[] = {
    {"counter_reads", (PyCFunction)core_counter_reads, METH_NOARGS, "how often a guest read a counter CSR"},
    {"be_eager", (PyCFunction)core_be_eager, METH_VARARGS, "be_eager(on): skip no waiting loop"},
    {"step", (PyCFunction)core_step, METH_VARARGS, "step(hart): one instruction of that hart alone"},
    {"break_here", (PyCFunction)core_break_here, METH_NOARGS, "stop before the present instruction"},
    {"accesses", (PyCFunction)core_accesses, METH_NOARGS, "register accesses served so far"},
    {"map_device", (PyCFunction)core_map_device, METH_VARARGS,
        "map_device(base, size, words, flags, masks, read, write)"},
    {"run", (PyCFunction)core_run, METH_VARARGS, "run(until_cycle) -> reason"},
    {"now", (PyCFunction)core_now_method, METH_NOARGS, "now() -> cycle of the running hart's instruction"},
    {"shorten", (PyCFunction)core_shorten_method, METH_VARARGS, "shorten(cycle): an event is due there"},
    {"end_window", (PyCFunction)core_end_window_method, METH_NOARGS, "end the window at the present instruction"},
    {"stop", (PyCFunction)core_stop_method, METH_NOARGS, "make run() return"},
    {"running", (PyCFunction)core_running_method, METH_NOARGS, "the hart whose turn it is, or -1"},
    {"drop_code", (PyCFunction)core_drop_code, METH_NOARGS, "drop all translated code"},
    {"invalidate", (PyCFunction)core_invalidate, METH_VARARGS, "invalidate(offset, size) of SRAM"},
    {"set_fs", (PyCFunction)core_set_fs, METH_VARARGS, "set_fs(hart, bits): switch the engine's FPU"},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject core_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "k210kit.board.core._fast.Core",
    .tp_basicsize = sizeof(core_t),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The run loop of two harts in C; see core/runner.py.",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)core_init,
    .tp_dealloc = (destructor)core_dealloc,
    .tp_methods = core_methods,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    "_fast",
    "The board's run loop in C.",
    -1,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__fast(void) {
    if (PyType_Ready(&core_type) < 0) {
        return NULL;
    }
    PyObject *m = PyModule_Create(&module);
    if (m == NULL || PyModule_AddObjectRef(m, "Core", (PyObject *)&core_type) < 0) {
        Py_XDECREF(m);
        return NULL;
    }
    return m;
}
