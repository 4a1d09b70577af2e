// Machine-mode CSRs, trap entry and return, as the privileged specification 1.9.1/1.10 says.

#include "hart.h"

// Counters and CSR numbers beyond the specification's usual ones are those of version 1.9.1:
// 0x320 mucounteren, 0x321 mscounteren, 0x322 mhcounteren.
enum {
    CSR_SSTATUS = 0x100,
    CSR_SIE = 0x104,
    CSR_STVEC = 0x105,
    CSR_SSCRATCH = 0x140,
    CSR_SEPC,
    CSR_SCAUSE,
    CSR_STVAL,
    CSR_SIP,
    CSR_SATP = 0x180,
    CSR_MSTATUS = 0x300,
    CSR_MISA,
    CSR_MEDELEG,
    CSR_MIDELEG,
    CSR_MIE,
    CSR_MTVEC,
    CSR_MUCOUNTEREN = 0x320,
    CSR_MSCOUNTEREN,
    CSR_MHCOUNTEREN,
    CSR_MHPMEVENT31 = 0x33f,
    CSR_MSCRATCH = 0x340,
    CSR_MEPC,
    CSR_MCAUSE,
    CSR_MTVAL,
    CSR_MIP,
    CSR_TSELECT = 0x7a0,
    CSR_TDATA1,
    CSR_TDATA2,
    CSR_TDATA3,
    CSR_MCYCLE = 0xb00,
    CSR_MINSTRET = 0xb02,
    CSR_MHPMCOUNTER3 = 0xb03,
    CSR_MHPMCOUNTER31 = 0xb1f,
    CSR_CYCLE = 0xc00,
    CSR_INSTRET = 0xc02,
    CSR_MVENDORID = 0xf11,
    CSR_MARCHID,
    CSR_MIMPID,
    CSR_MHARTID,
};

// Rocket as the K210 reports it: RustSBI's K210 boot log names this implementation id.
#define MARCHID_ROCKET (1)
#define MIMPID_K210 (0x4d41495832303030ull)

#define MIE_WRITABLE (0xaaaull)
#define MIP_WRITABLE (0x222ull)

static int user_counter_allowed(const hart_state_t *hart, unsigned number) {
    return hart->priv == PRIV_MACHINE || (hart->mucounteren >> (number & 31) & 1);
}

int hart_csr_read(const hart_state_t *hart, unsigned number, uint64_t now, uint64_t *value) {
    if (number == CSR_CYCLE || number == CSR_INSTRET) {
        if (!user_counter_allowed(hart, number)) {
            return CSR_ILLEGAL;
        }
        number = number - CSR_CYCLE + CSR_MCYCLE;
    } else if (hart->priv < (number >> 8 & 3)) {
        return CSR_ILLEGAL;
    }
    switch (number) {
        case CSR_MSTATUS:
        case CSR_SSTATUS:
            *value = hart->mstatus;
            if ((hart->mstatus & MSTATUS_FS) == MSTATUS_FS) {
                *value |= MSTATUS_SD;
            }
            return CSR_OK;
        case CSR_MISA:
            *value = hart->misa;
            return CSR_OK;
        case CSR_MEDELEG:
            *value = hart->medeleg;
            return CSR_OK;
        case CSR_MIDELEG:
            *value = hart->mideleg;
            return CSR_OK;
        case CSR_MIE:
        case CSR_SIE:
            *value = hart->mie;
            return CSR_OK;
        case CSR_MIP:
        case CSR_SIP:
            *value = hart->mip;
            return CSR_OK;
        case CSR_MTVEC:
            *value = hart->mtvec;
            return CSR_OK;
        case CSR_MUCOUNTEREN:
            *value = hart->mucounteren;
            return CSR_OK;
        case CSR_MSCOUNTEREN:
            *value = hart->mscounteren;
            return CSR_OK;
        case CSR_MSCRATCH:
            *value = hart->mscratch;
            return CSR_OK;
        case CSR_MEPC:
            *value = hart->mepc;
            return CSR_OK;
        case CSR_MCAUSE:
            *value = hart->mcause;
            return CSR_OK;
        case CSR_MTVAL:
            *value = hart->mtval;
            return CSR_OK;
        case CSR_SSCRATCH:
            *value = hart->scratch[0];
            return CSR_OK;
        case CSR_STVEC:
            *value = hart->scratch[1];
            return CSR_OK;
        case CSR_SEPC:
        case CSR_SCAUSE:
        case CSR_STVAL:
            *value = hart->scratch[2 + number - CSR_SEPC];
            return CSR_OK;
        case CSR_SATP:
            *value = hart->satp;
            return CSR_OK;
        case CSR_TSELECT:
            *value = hart->tselect;
            return CSR_OK;
        case CSR_TDATA1:
        case CSR_TDATA2:
        case CSR_TDATA3:
            *value = hart->scratch[5 + number - CSR_TDATA1];
            return CSR_OK;
        case CSR_MCYCLE:
            *value = now + hart->mcycle_offset;
            return CSR_OK;
        case CSR_MINSTRET:
            *value = now - hart->stalled + hart->minstret_offset;
            return CSR_OK;
        case CSR_MVENDORID:
            *value = 0;
            return CSR_OK;
        case CSR_MARCHID:
            *value = MARCHID_ROCKET;
            return CSR_OK;
        case CSR_MIMPID:
            *value = MIMPID_K210;
            return CSR_OK;
        case CSR_MHARTID:
            *value = hart->hart_id;
            return CSR_OK;
        default:
            break;
    }
    // Performance events and their counters: read as zero, writes ignored. Those of 1.10 (mcounteren,
    // memory protection) trap: OpenSBI finds out by that.
    if ((number >= CSR_MHCOUNTEREN && number <= CSR_MHPMEVENT31)
        || (number >= CSR_MHPMCOUNTER3 && number <= CSR_MHPMCOUNTER31)) {
        *value = 0;
        return CSR_OK;
    }
    return CSR_ILLEGAL;
}

static uint64_t legal_mstatus(uint64_t old, uint64_t value) {
    // MPP 1 and 2: no supervisor here, so the old one stays (the field takes legal values only).
    uint64_t mpp = value >> MSTATUS_MPP_SHIFT & 3;
    if (mpp != PRIV_USER && mpp != PRIV_MACHINE) {
        value = (value & ~MSTATUS_MPP) | (old & MSTATUS_MPP);
    }
    return (old & ~MSTATUS_WRITABLE) | (value & MSTATUS_WRITABLE);
}

int hart_csr_write(hart_state_t *hart, unsigned number, uint64_t now, uint64_t value) {
    uint64_t ignored;
    if ((number >> 10 & 3) == 3 || hart_csr_read(hart, number, now, &ignored) != CSR_OK) {
        return CSR_ILLEGAL;
    }
    switch (number) {
        case CSR_MSTATUS:
        case CSR_SSTATUS:
            hart->mstatus = legal_mstatus(hart->mstatus, value);
            break;
        case CSR_MEDELEG:
            hart->medeleg = value;
            break;
        case CSR_MIDELEG:
            hart->mideleg = value;
            break;
        case CSR_MIE:
        case CSR_SIE:
            hart->mie = value & MIE_WRITABLE;
            break;
        case CSR_MIP:
        case CSR_SIP:
            hart->mip = (hart->mip & ~MIP_WRITABLE) | (value & MIP_WRITABLE);
            break;
        case CSR_MTVEC:
            hart->mtvec = value & ~2ull;
            break;
        case CSR_MUCOUNTEREN:
            hart->mucounteren = value & 7;
            break;
        case CSR_MSCOUNTEREN:
            hart->mscounteren = value & 7;
            break;
        case CSR_MSCRATCH:
            hart->mscratch = value;
            break;
        case CSR_MEPC:
            hart->mepc = value & ~1ull;
            break;
        case CSR_MCAUSE:
            hart->mcause = value;
            break;
        case CSR_MTVAL:
            hart->mtval = value;
            break;
        case CSR_SSCRATCH:
            hart->scratch[0] = value;
            break;
        case CSR_STVEC:
            hart->scratch[1] = value;
            break;
        case CSR_SEPC:
        case CSR_SCAUSE:
        case CSR_STVAL:
            hart->scratch[2 + number - CSR_SEPC] = value;
            break;
        case CSR_SATP:
            hart->satp = value;
            break;
        case CSR_TSELECT:
            hart->tselect = value & 3;
            break;
        case CSR_TDATA1:
        case CSR_TDATA2:
        case CSR_TDATA3:
            hart->scratch[5 + number - CSR_TDATA1] = value;
            break;
        case CSR_MCYCLE:
            // The write takes effect after the instruction, which itself takes a cycle.
            hart->mcycle_offset = value - (now + 1);
            break;
        case CSR_MINSTRET:
            hart->minstret_offset = value - (now + 1 - hart->stalled);
            break;
        default:
            break;
    }
    return CSR_OK;
}

static int is_fault(uint64_t cause) {
    return !(cause & CAUSE_INTERRUPT) && cause != CAUSE_USER_ECALL && cause != CAUSE_MACHINE_ECALL;
}

int hart_keeps_fault(const hart_state_t *hart, uint64_t cause, uint64_t pc, uint64_t now) {
    // What a handler does wrong at once is not why it was called.
    return is_fault(cause)
        && (hart->fault_depth == 0 || (pc != (hart->mtvec & ~3ull) && now - hart->trap_cycle >= NESTED_CYCLES));
}

uint64_t hart_enter_trap(hart_state_t *hart, uint64_t cause, uint64_t pc, uint64_t tval, uint64_t now) {
    uint64_t vector = hart->mtvec & ~3ull;
    if (cause & CAUSE_INTERRUPT) {
        if (hart->mtvec & 1) {
            vector += 4 * (cause & 63);
        }
    }
    if (is_fault(cause)) {
        if (hart_keeps_fault(hart, cause, pc, now)) {
            hart->fault_cause = cause;
            hart->fault_pc = pc;
            hart->fault_tval = tval;
            hart->fault_cycle = now;
            hart->fault_repeats = 0;
        }
        if (hart->fault_watch) {
            hart->fault_watch = 0;
            hart->crashed = 2;
        }
        // A handler whose own first instruction faults would be entered for ever.
        if (pc == vector || ++hart->fault_repeats > NESTED_FAULTS) {
            hart->crashed = 1;
        }
        hart->fault_count++;
        hart->fault_depth++;
    } else if (hart->fault_depth != 0) {
        hart->fault_depth++;
    }
    hart->trap_cycle = now;
    uint64_t mpie = (hart->mstatus & MSTATUS_MIE) ? MSTATUS_MPIE : 0;
    hart->mstatus =
        (hart->mstatus & ~(MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP)) | mpie | hart->priv << MSTATUS_MPP_SHIFT;
    hart->mepc = pc;
    hart->mcause = cause;
    hart->mtval = tval;
    hart->priv = PRIV_MACHINE;
    hart->traps++;
    return vector;
}

uint64_t hart_return(hart_state_t *hart) {
    uint64_t mie = (hart->mstatus & MSTATUS_MPIE) ? MSTATUS_MIE : 0;
    hart->priv = hart->mstatus >> MSTATUS_MPP_SHIFT & 3;
    hart->mstatus = (hart->mstatus & ~(MSTATUS_MIE | MSTATUS_MPP)) | mie | MSTATUS_MPIE;
    hart->fault_depth -= hart->fault_depth != 0;
    return hart->mepc;
}

uint64_t hart_pending(const hart_state_t *hart) {
    // External before software before timer; then the supervisor's, in the same order.
    static const uint8_t order[] = {11, 3, 7, 9, 1, 5};
    if (hart->priv == PRIV_MACHINE && !(hart->mstatus & MSTATUS_MIE)) {
        return 0;
    }
    uint64_t active = hart->mip & hart->mie;
    for (unsigned i = 0; active && i < sizeof(order); i++) {
        if (active >> order[i] & 1) {
            return CAUSE_INTERRUPT | order[i];
        }
    }
    return 0;
}
