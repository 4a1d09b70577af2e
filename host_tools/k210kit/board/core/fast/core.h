// What the files of the C run loop share: the state of both harts, and who does what.
//
// What a window, a boundary and the limit are stands in core/runner.py, whose pure-Python loop
// gives the same results. Python is entered only for registers with effects.
#ifndef K210KIT_CORE_H
#define K210KIT_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <unicorn/unicorn.h>

#include "decode.h"
#include "hart.h"

#define HARTS (2)
#define MAX_COUNTERS (256)
#define PAGE_SHIFT (12)

// Flags of a register (core/device.py).
#define READ_FAST (1)
#define WRITE_FAST (2)

// Bits of core_t.eager: which waiting loops are executed round by round.
#define EAGER_POLLING (1)
#define EAGER_SPINNING (2)
#define EAGER_DELAYS (4)

enum { RUN_DUE, RUN_YIELD, RUN_STOPPED, RUN_CRASHED };

// A table entry per half-word of code memory: the block that starts there.
#define BLOCK_COUNT_MASK (0x0fff)
#define BLOCK_COUNTER (0x1000)
#define BLOCK_EFFECTS (0x2000)
#define BLOCK_FENCE_I (0x4000)
#define BLOCK_TRANSFERS (0x8000)

enum { REGS = 31 };

typedef struct {
    uint64_t base;
    uint64_t size;
    uint8_t *host;
    bool writable;
} memory_t;

struct core_s;

typedef struct {
    struct core_s *core;
    uint64_t base;
    uint64_t span; // bytes of address space
    uint64_t size; // bytes of `words`
    uint32_t *words;
    uint8_t *flags;
    uint32_t *masks;
    uint8_t *allowed; // in strict mode, a byte a word: accesses that Python has allowed
    PyObject *read;
    PyObject *write;
    Py_buffer words_view;
    Py_buffer flags_view;
    Py_buffer masks_view;
} device_t;

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
    unsigned misaligned; // in strict mode: the cause of the trap that the engine has stopped for
    unsigned undo_size; // bytes that a store has changed which must not have happened
    uint8_t undo[16];
} hart_t;

typedef struct core_s {
    PyObject_HEAD hart_t hart[HARTS];
    memory_t memory[4];
    unsigned memories;
    device_t *device[64];
    unsigned devices;
    uint8_t *code_pages; // per page of memory 0: translated code of any hart
    uint8_t *written; // per page of memory 0: a hart has stored there since watch_stores()
    bool watching;
    uint64_t until; // where run() returns; an event scheduled meanwhile brings it nearer
    uint64_t window;
    uint64_t turn; // cycles of a turn when both harts are busy
    int running; // hart whose turn it is, or -1
    volatile bool stop;
    uint64_t counter_reads; // by CSR instructions
    bool stepping; // a debugger executes a single instruction
    uint64_t accesses; // register accesses served
    int eager; // execute every round of waiting loops (for tests)
    PyObject *strict; // the judge of strict mode (core/strict.py)
    PyThreadState *thread; // while the interpreter is released
    PyObject *error_type, *error_value, *error_trace;
} core_t;

// The functions of the Unicorn library that Python has loaded.
typedef struct {
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
} unicorn_t;

extern unicorn_t unicorn;

// Where guest address `pc` lies in host memory; NULL when in none.
static inline const uint8_t *host_code(core_t *core, uint64_t pc, unsigned *index, uint64_t *offset) {
    pc = (uint32_t)pc; // see memory.c
    for (unsigned i = 0; i < core->memories; i++) {
        if (pc - core->memory[i].base < core->memory[i].size) {
            *index = i;
            *offset = pc - core->memory[i].base;
            return core->memory[i].host + *offset;
        }
    }
    return NULL;
}

// Instructions of the running block before `pc`.
static inline uint64_t insns_before(hart_t *hart, uint64_t pc) {
    unsigned index;
    uint64_t offset;
    const uint8_t *code = host_code(hart->core, hart->block_pc, &index, &offset);
    if (code == NULL || pc <= hart->block_pc || pc - hart->block_pc > 4096) {
        return 0;
    }
    return insn_count(code, pc - hart->block_pc);
}

// The cycle of the instruction under way.
static inline uint64_t hart_now(hart_t *hart) {
    return hart->state->cycles + (hart->in_access ? insns_before(hart, hart->access_pc) : 0);
}

static inline uint64_t get_reg(hart_t *hart, int reg) {
    uint64_t value = 0;
    unicorn.reg_read(hart->uc, reg, &value);
    return value;
}

static inline void set_reg(hart_t *hart, int reg, uint64_t value) {
    unicorn.reg_write(hart->uc, reg, &value);
}

// After uc_reg_write of the pc Unicorn shows its hooks the pc of the block only, for as long as this
// run lasts; uc_reg_write_batch has no such after-effect.
static inline void set_pc(hart_t *hart, uint64_t value) {
    int id = UC_RISCV_REG_PC;
    void *at = &value;
    unicorn.reg_write_batch(hart->uc, &id, &at, 1);
}

// loop.c: windows, turns, and where they end.
uint64_t core_now(core_t *core);
void shorten_window(core_t *core, uint64_t cycle);
void end_window(core_t *core);
void idle_until(hart_state_t *state, uint64_t cycle);
int run(core_t *core);
void step(core_t *core, unsigned number);

// blocks.c: counting instructions block by block.
void on_block(uc_engine *uc, uint64_t pc, uint32_t size, void *user);
void on_translate(uc_engine *uc, uc_tb *block, uc_tb *previous, void *user);
void forget_block(hart_t *hart, uint64_t pc);

// waiting.c: loops that wait, and how much of them may be left out.
void read_registers(hart_t *hart, uint64_t *x);
void poll_skip(hart_t *hart);
bool spins(hart_t *hart, uint64_t pc, unsigned entry, uint64_t now);
void skip_delay(hart_t *hart, uint64_t pc, uint64_t counter);

// memory.c: pages that hold code, and what takes stores.
void mark_code(core_t *core, uint64_t offset, uint32_t size);
bool on_fill(uc_engine *uc, uint64_t address, uc_mem_type type, uc_tlb_entry *entry, void *user);
void invalidate(core_t *core, uint64_t offset, uint64_t size);
void watch_stores(core_t *core);

// traps.c: exceptions, interrupts, and instructions that Unicorn refuses in user mode.
void set_engine_fs(hart_t *hart, uint64_t fs);
uint32_t fetch_insn(core_t *core, uint64_t pc);
uint64_t take_interrupt(hart_t *hart, uint64_t pc);
void end_block(hart_t *hart, uint64_t pc);
void enter_alignment_fault(hart_t *hart, unsigned cause, uint64_t pc);
void enter_fault(hart_t *hart, uc_err error, uint64_t pc);
void on_exception(uc_engine *uc, uint32_t cause, void *user);
void on_counter(uc_engine *uc, uint64_t pc, uint32_t size, void *user);
bool on_invalid(uc_engine *uc, void *user);
bool on_unmapped(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user);

// access.c: device registers.
void keep_error(core_t *core);
void enter_python(core_t *core);
void leave_python(core_t *core);
bool on_device_access(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user);
uint64_t on_device_read(uc_engine *uc, uint64_t offset, unsigned size, void *user);
void on_device_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user);

// strict.c: accesses that documentation does not cover, or that are not aligned.
int be_strict(core_t *core, PyObject *judge, bool memory);
bool strict_access(hart_t *hart, uint64_t address, unsigned size, bool store);
void strict_note(hart_t *hart, unsigned cause, uint64_t pc, uint64_t address);
void enter_misaligned(hart_t *hart, uint64_t pc);

#endif // K210KIT_CORE_H
