// Reset code and trap entry.
//
// The mask ROM enters here on both harts, in machine mode with interrupts off. Hart 0 clears .bss
// and calls main(); hart 1 waits for hart 0 and then calls secondary_main() (see bsp.h).

#include "encoding.h"

#define FRAME_REGS (32)
#define FRAME_FLOATS (20)
#define FRAME_SIZE ((FRAME_REGS + FRAME_FLOATS + 2) * 8)
#define FCSR_SLOT ((FRAME_REGS + FRAME_FLOATS) * 8)

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    csrw mideleg, zero
    csrw medeleg, zero
    csrw mie, zero
    la t0, trap_entry
    csrw mtvec, t0
    li t0, MSTATUS_FS
    csrs mstatus, t0
    csrw fcsr, zero
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop

    // sp = tp = top of this hart's stack, less its thread-local variables.
    csrr s0, mhartid
    la sp, _stack_end
    la t0, _stack_size
    mul t0, t0, s0
    sub sp, sp, t0
    la t0, _tls_size
    sub sp, sp, t0
    mv tp, sp
    mv t1, tp
    la t2, _tdata_start
    la t3, _tdata_end
1:
    bgeu t2, t3, 2f
    ld t4, (t2)
    sd t4, (t1)
    addi t2, t2, 8
    addi t1, t1, 8
    j 1b
2:
    add t0, tp, t0
3:
    bgeu t1, t0, 4f
    sd zero, (t1)
    addi t1, t1, 8
    j 3b
4:
    bnez s0, 7f

    la t0, _bss_start
    la t1, _bss_end
5:
    bgeu t0, t1, 6f
    sd zero, (t0)
    addi t0, t0, 8
    j 5b
6:
    call main
    j 8f
7:
    call secondary_main
8:
    wfi
    j 8b

// A trap: saves what C may change, calls handle_trap(cause, epc, x), goes on at what it returns.
    .section .text.trap, "ax", @progbits
    .globl trap_entry
    .align 2
trap_entry:
    addi sp, sp, -FRAME_SIZE
    .irp n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd x\n, (\n * 8)(sp)
    .endr
    addi t0, sp, FRAME_SIZE
    sd t0, (2 * 8)(sp)

    // The float registers that a call may change, while the FPU is on.
    csrr s0, mstatus
    li t0, MSTATUS_FS
    and s0, s0, t0
    beqz s0, 1f
    .set slot, FRAME_REGS
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
    fsd f\n, (slot * 8)(sp)
    .set slot, slot + 1
    .endr
    csrr t0, fcsr
    sd t0, FCSR_SLOT(sp)
1:
    csrr a0, mcause
    csrr a1, mepc
    mv a2, sp
    call handle_trap
    csrw mepc, a0

    beqz s0, 2f
    ld t0, FCSR_SLOT(sp)
    csrw fcsr, t0
    .set slot, FRAME_REGS
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
    fld f\n, (slot * 8)(sp)
    .set slot, slot + 1
    .endr
2:
    .irp n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld x\n, (\n * 8)(sp)
    .endr
    ld sp, (2 * 8)(sp)
    mret
