// Exceptions, interrupts, and the instructions that Unicorn refuses in user mode.

#include "core.h"

// Guests run in Unicorn's user mode, so that every CSR instruction arrives here. Only whether the
// FPU is on lives in the engine's own mstatus.
void set_engine_fs(hart_t *hart, uint64_t fs) {
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

uint32_t fetch_insn(core_t *core, uint64_t pc) {
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

uint64_t take_interrupt(hart_t *hart, uint64_t pc) {
    uint64_t cause = hart->core->stepping ? 0 : hart_pending(hart->state);
    return cause ? hart_enter_trap(hart->state, cause, pc, 0, hart->state->cycles) : pc;
}

// Ends the block at `pc`, the instruction that trapped.
void end_block(hart_t *hart, uint64_t pc) {
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

void on_exception(uc_engine *uc, uint32_t cause, void *user) {
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
            strict_note(hart, cause, pc, tval);
        }
        next = enter_exception(hart, cause, pc, tval, hart->state->cycles);
    }
    after_trap(hart, next);
}

void on_counter(uc_engine *uc, uint64_t pc, uint32_t size, void *user) {
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
bool on_invalid(uc_engine *uc, void *user) {
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

bool on_unmapped(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user) {
    (void)uc;
    (void)type;
    (void)size;
    (void)value;
    ((hart_t *)user)->fault_address = address;
    return false;
}

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

void enter_alignment_fault(hart_t *hart, unsigned cause, uint64_t pc) {
    end_block(hart, pc);
    strict_note(hart, cause, pc, hart->fault_address);
    set_pc(hart, enter_exception(hart, cause, pc, hart->fault_address, hart->state->cycles));
}

void enter_fault(hart_t *hart, uc_err error, uint64_t pc) {
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
    strict_note(hart, cause, pc, hart->fault_address);
    pc = enter_exception(hart, cause, pc, hart->fault_address, state->cycles);
    set_pc(hart, pc);
}
