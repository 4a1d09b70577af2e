// State of one hart that Unicorn does not keep: machine-mode CSRs and time.
//
// The same bytes are a ctypes structure on the Python side (core/hart.py); FIELDS there and the
// members here stand in the same order.
#ifndef K210KIT_HART_H
#define K210KIT_HART_H

#include <stdint.h>

typedef struct {
    uint64_t cycles; // CPU cycles since power-on at the start of the current block
    uint64_t stalled; // of these, cycles in which nothing retired (WFI)
    uint64_t polled; // of these, cycles of waiting loops that were skipped
    uint64_t mstatus;
    uint64_t misa;
    uint64_t medeleg;
    uint64_t mideleg;
    uint64_t mie;
    uint64_t mip;
    uint64_t mtvec;
    uint64_t mscratch;
    uint64_t mepc;
    uint64_t mcause;
    uint64_t mtval;
    uint64_t mucounteren;
    uint64_t mscounteren;
    uint64_t mcycle_offset;
    uint64_t minstret_offset;
    uint64_t satp;
    uint64_t tselect;
    uint64_t scratch[8]; // sscratch, stvec, sepc, scause, stval, tdata1..3: stored, without effect
    uint64_t priv; // 0 user, 3 machine
    uint64_t idle; // 1 waiting in WFI, 2 held by a debugger
    uint64_t spinning; // in a jump-to-itself
    uint64_t crashed; // 1 a trap whose handler cannot run, 2 stopped for fault_watch
    uint64_t traps; // exceptions and interrupts entered
    uint64_t fault_count; // exceptions other than environment calls
    uint64_t fault_cause; // the last of them: cause, pc, tval, cycle
    uint64_t fault_pc;
    uint64_t fault_tval;
    uint64_t fault_cycle;
    uint64_t fault_depth; // traps entered and not left since that fault: 0 when it was handled
    uint64_t fault_repeats; // faults that a handler made right after it was entered
    uint64_t fault_watch; // stop at the next fault, once
    uint64_t trap_cycle; // of the last trap
    uint64_t hart_id;
    uint64_t fault_x[32]; // integer registers at the fault
} hart_state_t;

#define IDLE_WFI (1)
#define PRIV_USER (0)
#define PRIV_MACHINE (3)

#define MSTATUS_MIE (1ull << 3)
#define MSTATUS_MPIE (1ull << 7)
#define MSTATUS_MPP_SHIFT (11)
#define MSTATUS_MPP (3ull << MSTATUS_MPP_SHIFT)
#define MSTATUS_FS (3ull << 13)
#define MSTATUS_SD (1ull << 63)
// MIE MPIE MPP FS MPRV and the supervisor bits, which are kept without effect.
#define MSTATUS_WRITABLE (0x1f0e79bbull)

#define CAUSE_FETCH_ACCESS (1)
#define CAUSE_ILLEGAL (2)
#define CAUSE_BREAKPOINT (3)
#define CAUSE_LOAD_MISALIGNED (4)
#define CAUSE_LOAD_ACCESS (5)
#define CAUSE_STORE_MISALIGNED (6)
#define CAUSE_STORE_ACCESS (7)
#define CAUSE_USER_ECALL (8)
#define CAUSE_MACHINE_ECALL (11)
#define CAUSE_INTERRUPT (1ull << 63)

// A handler that faults within so many cycles of its entry, and so often, will do so for ever.
#define NESTED_CYCLES (64)
#define NESTED_FAULTS (1000)

#define CSR_OK (0)
#define CSR_ILLEGAL (-1)

// Reads machine CSR `number` at cycle `now`; FS of mstatus is the caller's to fill in.
// Returns CSR_ILLEGAL when it does not exist or the hart's privilege does not reach it.
int hart_csr_read(const hart_state_t *hart, unsigned number, uint64_t now, uint64_t *value);

// Writes machine CSR `number`; same result.
int hart_csr_write(hart_state_t *hart, unsigned number, uint64_t now, uint64_t value);

// Whether entering this trap would overwrite what is kept of the last fault.
int hart_keeps_fault(const hart_state_t *hart, uint64_t cause, uint64_t pc, uint64_t now);

// Enters the trap handler; returns the handler's address.
uint64_t hart_enter_trap(hart_state_t *hart, uint64_t cause, uint64_t pc, uint64_t tval, uint64_t now);

// Leaves it (mret); returns the address to go on at.
uint64_t hart_return(hart_state_t *hart);

// The cause of the most urgent interrupt that is pending and enabled, or 0 for none.
uint64_t hart_pending(const hart_state_t *hart);

#endif // K210KIT_HART_H
