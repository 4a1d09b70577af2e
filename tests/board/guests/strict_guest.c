// What the virtual board refuses in strict mode. Not for silicon: there most of these accesses pass.

#include "check.h"
#include "chip.h"
#include "platform.h"

static uint64_t words[2] = {0x1122334455667788, 0x99aabbccddeeff00};

#define LOAD(name, cause, address, insn) CHECK_TRAP(name, cause, address, insn " t0, 0(%[a])", [a] "r"(address))
#define STORE(name, cause, address, insn) CHECK_TRAP(name, cause, address, insn " zero, 0(%[a])", [a] "r"(address))

static void registers(void) {
    LOAD("a load where no register is", CAUSE_LOAD_ACCESS, UART(1) + 0xfc0, "lw");
    STORE("a store there", CAUSE_STORE_ACCESS, UART(1) + 0xfc0, "sw");
    LOAD("within a block", CAUSE_LOAD_ACCESS, SHA256 + 0x30, "lw");
    LOAD("between blocks", CAUSE_LOAD_ACCESS, 0x60000000ul, "lw");
    STORE("a store between blocks", CAUSE_STORE_ACCESS, 0x60000000ul, "sw");
    LOAD("through a null pointer", CAUSE_LOAD_ACCESS, 0ul, "lw");
    STORE("a byte to a register", CAUSE_STORE_ACCESS, SHA256, "sb");
    LOAD("a half of a register", CAUSE_LOAD_ACCESS, SHA256 + 2, "lhu");
    LOAD("64 bits of a block of 32", CAUSE_LOAD_ACCESS, SHA256, "ld");
    LOAD("a register that is not aligned", CAUSE_MISALIGNED_LOAD, SHA256 + 2, "lw");
    check("64 bits where they are documented", R64(DMAC, 0x58) | R64(CLINT_BASE_ADDR, 0x4000) >> 63, 1);
    // The first access of a kind is asked about, the others are known.
    for (unsigned i = 0; i < 3; i++) {
        check("a register", R32(SHA256, 0), 0);
        STORE("and one that is not there", CAUSE_STORE_ACCESS, SHA256 + 0x38, "sw");
    }
}

static void memory(void) {
    uintptr_t at = (uintptr_t)words;
    LOAD("a half not aligned", CAUSE_MISALIGNED_LOAD, at + 1, "lh");
    LOAD("a word not aligned", CAUSE_MISALIGNED_LOAD, at + 2, "lw");
    LOAD("a double word not aligned", CAUSE_MISALIGNED_LOAD, at + 4, "ld");
    STORE("a half's store", CAUSE_MISALIGNED_STORE, at + 1, "sh");
    STORE("a word's store", CAUSE_MISALIGNED_STORE, at + 3, "sw");
    STORE("a double word's store", CAUSE_MISALIGNED_STORE, at + 1, "sd");
    STORE("in the uncached view", CAUSE_MISALIGNED_STORE, at - 0x40000000 + 1, "sd");
    CHECK_TRAP("an atomic", CAUSE_MISALIGNED_STORE, at + 2, "amoadd.w t0, zero, (%[a])", [a] "r"(at + 2));
    CHECK_TRAP("a load of a float", CAUSE_MISALIGNED_LOAD, at + 2, "flw ft0, 0(%[a])", [a] "r"(at + 2));
    register uintptr_t a5 __asm__("a5") = at + 2;
    CHECK_TRAP("a compressed load", CAUSE_MISALIGNED_LOAD, at + 6, "c.lw a4, 4(%[a])", [a] "r"(a5));
    check("nothing was stored", words[0] == 0x1122334455667788 && words[1] == 0x99aabbccddeeff00, 1);
    uint64_t kept = 5;
    __asm__ volatile("ld %0, 1(%1)" : "+r"(kept) : "r"(at) : "memory");
    check("nothing was loaded", kept, 5);
    check("aligned ones go on", words[1] >> 32, 0x99aabbcc);
}

static void dma(void) {
    dma_start(0, DMA_MEMORY, DMA_NONE, SHA256 + 0x38, (uintptr_t)words, 2, 1);
    for (unsigned i = 0; i < 1000 && !dma_status(0); i++) {
    }
    check("a DMA from nowhere ends in an error", dma_status(0), 1 << 5);
}

int main(void) {
    checks_begin();
    registers();
    memory();
    dma();
    checks_done();
}
