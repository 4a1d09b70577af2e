// Strict mode: accesses that silicon's documentation does not cover, and those that are not aligned, trap.
//
// Python decides (core/strict.py); what it has allowed once is remembered here for each register. A hook on
// all of memory makes every load and store slow, so it is set only when wanted.

#include "core.h"

#define LOAD_WORD (1)
#define STORE_WORD (2)
#define LOAD_DOUBLE (4)
#define STORE_DOUBLE (8)

// Asks Python; an error there counts as allowed, and ends the run.
static bool allowed(core_t *core, uint64_t address, unsigned size, bool store) {
    bool answer = true;
    enter_python(core);
    PyObject *result =
        PyObject_CallMethod(core->strict, "permits", "KIi", (unsigned long long)(uint32_t)address, size, store);
    if (result == NULL) {
        keep_error(core);
    } else {
        answer = PyObject_IsTrue(result);
        Py_DECREF(result);
    }
    leave_python(core);
    return answer;
}

// Tells Python of a trap that is about to be entered.
void strict_note(hart_t *hart, unsigned cause, uint64_t pc, uint64_t address) {
    core_t *core = hart->core;
    if (!core->strict) {
        return;
    }
    enter_python(core);
    PyObject *result = PyObject_CallMethod(core->strict, "note", "IIKK", (unsigned)(hart - core->hart), cause,
        (unsigned long long)pc, (unsigned long long)address);
    if (result == NULL) {
        keep_error(core);
    }
    Py_XDECREF(result);
    leave_python(core);
}

static bool misaligned(hart_t *hart, uint64_t address, unsigned size, bool store) {
    if (address & (size - 1)) {
        hart->misaligned = store ? CAUSE_STORE_MISALIGNED : CAUSE_LOAD_MISALIGNED;
        hart->fault_address = address;
        hart->undo_size = 0;
        return true;
    }
    return false;
}

// Whether a device access may be made; if not, the hart is set up for its fault.
bool strict_access(hart_t *hart, uint64_t address, unsigned size, bool store) {
    core_t *core = hart->core;
    hart->fault_address = address;
    if (misaligned(hart, address, size, store)) {
        return false;
    }
    unsigned bit = size == 4 ? LOAD_WORD : size == 8 ? LOAD_DOUBLE : 0;
    bit <<= store;
    uint8_t *known = NULL;
    for (unsigned i = 0; i < core->devices; i++) {
        device_t *device = core->device[i];
        uint64_t offset = (uint32_t)address - device->base;
        if (offset < device->size) {
            known = &device->allowed[offset >> 2];
            break;
        }
    }
    if (known && *known & bit) {
        return true;
    }
    bool answer = allowed(core, address, size, store);
    if (answer && known) {
        *known |= bit;
    }
    return answer;
}

static void on_memory(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user) {
    (void)value;
    hart_t *hart = user;
    bool store = type == UC_MEM_WRITE;
    if (__builtin_expect(hart->misaligned || !misaligned(hart, address, (unsigned)size, store), 1)) {
        return;
    }
    // The engine stops before the instruction, but a store has reached memory by then.
    unsigned index;
    uint64_t offset;
    for (int i = 0; store && i < size; i++) {
        const uint8_t *at = host_code(hart->core, address + i, &index, &offset);
        hart->undo[i] = at ? *at : 0;
        hart->undo_size = i + 1;
    }
    unicorn.emu_stop(uc);
}

// The trap for what on_memory() or strict_access() has found, at `pc`.
void enter_misaligned(hart_t *hart, uint64_t pc) {
    core_t *core = hart->core;
    unsigned index;
    uint64_t offset;
    for (unsigned i = 0; i < hart->undo_size; i++) {
        if (host_code(core, hart->fault_address + i, &index, &offset) != NULL && core->memory[index].writable) {
            core->memory[index].host[offset] = hart->undo[i];
        }
    }
    // Unicorn loads first in an atomic; all but LR count as stores.
    uint32_t insn = fetch_insn(core, pc);
    bool atomic = (insn & 0x7f) == 0x2f && insn >> 27 != 2;
    unsigned cause = atomic ? CAUSE_STORE_MISALIGNED : hart->misaligned;
    hart->misaligned = 0;
    enter_alignment_fault(hart, cause, pc);
}

int be_strict(core_t *core, PyObject *judge, bool memory) {
    core->strict = Py_NewRef(judge);
    for (unsigned i = 0; i < core->devices; i++) {
        core->device[i]->allowed = calloc(core->device[i]->size / 4 + 1, 1);
        if (core->device[i]->allowed == NULL) {
            return -1;
        }
    }
    for (unsigned i = 0; memory && i < HARTS; i++) {
        for (unsigned m = 0; m < core->memories; m++) {
            uc_hook hook;
            uint64_t low = core->memory[m].base, high = low + core->memory[m].size - 1;
            if (unicorn.hook_add(
                    core->hart[i].uc, &hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, on_memory, &core->hart[i], low, high)
                != UC_ERR_OK) {
                return -1;
            }
        }
    }
    return 0;
}
