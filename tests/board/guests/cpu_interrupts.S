// A vector table that notes which entry was taken and silences all interrupts.

    .text
    .globl vector_table
    .balign 256
    .option push
    .option norvc
vector_table:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    j entry_\n
    .endr

    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
entry_\n:
    csrw mscratch, t0
    li t0, \n
    j note
    .endr

note:
    addi sp, sp, -16
    sd t1, (sp)
    lla t1, vectored_by
    sd t0, (t1)
    csrw mie, zero
    bnez t0, 1f
    csrr t1, mepc
    addi t1, t1, 4
    csrw mepc, t1
1:
    ld t1, (sp)
    addi sp, sp, 16
    csrr t0, mscratch
    mret
    .option pop

    .data
    .globl vectored_by
    .balign 8
vectored_by:
    .dword 99
