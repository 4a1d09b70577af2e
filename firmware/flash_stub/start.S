// Entry and traps. The mask ROM enters with both harts, or with hart 0 alone; one is enough.

#include "encoding.h"

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    csrw mideleg, zero
    csrw medeleg, zero
    csrw mie, zero
    csrci mstatus, MSTATUS_MIE
    csrr t0, mhartid
    bnez t0, 3f
    fence.i
    la t0, trap
    csrw mtvec, t0
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, _stack_end
    la t0, _bss_start
    la t1, _bss_end
1:
    bgeu t0, t1, 2f
    sd zero, (t0)
    addi t0, t0, 8
    j 1b
2:
    call main
3:
    wfi
    j 3b
