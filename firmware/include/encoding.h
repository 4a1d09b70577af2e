// CSRs, their bits, and trap causes: RISC-V privileged specification 1.10, chapter 3.
#ifndef K210_ENCODING_H
#define K210_ENCODING_H

#define MSTATUS_MIE (0x00000008)
#define MSTATUS_MPIE (0x00000080)
#define MSTATUS_MPP (0x00001800)
#define MSTATUS_FS (0x00006000)

#define IRQ_M_SOFT (3)
#define IRQ_M_TIMER (7)
#define IRQ_M_EXT (11)
#define MIP_MSIP (1 << IRQ_M_SOFT)
#define MIP_MTIP (1 << IRQ_M_TIMER)
#define MIP_MEIP (1 << IRQ_M_EXT)

#define CAUSE_MISALIGNED_FETCH (0)
#define CAUSE_FETCH_ACCESS (1)
#define CAUSE_ILLEGAL_INSTRUCTION (2)
#define CAUSE_BREAKPOINT (3)
#define CAUSE_MISALIGNED_LOAD (4)
#define CAUSE_LOAD_ACCESS (5)
#define CAUSE_MISALIGNED_STORE (6)
#define CAUSE_STORE_ACCESS (7)
#define CAUSE_USER_ECALL (8)
#define CAUSE_MACHINE_ECALL (11)

#ifndef __ASSEMBLER__

#include <stdint.h>

#define CAUSE_INTERRUPT (UINT64_C(1) << 63)

#define read_csr(reg)                                                                                                  \
    ({                                                                                                                 \
        uint64_t value_;                                                                                               \
        __asm__ volatile("csrr %0, " #reg : "=r"(value_));                                                             \
        value_;                                                                                                        \
    })

#define write_csr(reg, value) __asm__ volatile("csrw " #reg ", %0" ::"rK"((uint64_t)(value)) : "memory")

#define set_csr(reg, bits) __asm__ volatile("csrs " #reg ", %0" ::"rK"((uint64_t)(bits)) : "memory")

#define clear_csr(reg, bits) __asm__ volatile("csrc " #reg ", %0" ::"rK"((uint64_t)(bits)) : "memory")

#define read_cycle() read_csr(mcycle)

#endif // __ASSEMBLER__
#endif // K210_ENCODING_H
