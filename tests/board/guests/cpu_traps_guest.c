// Exceptions: cause, mepc and mtval exact; user mode; unknown and old CSRs.
// Expectations: RISC-V privileged specification 1.9.1 and 1.10, chapter 3.

#include "check.h"

#define HOLE (0x10000000ul) // nothing answers there
#define ROM (0x88000000ul)

static uint64_t word[2];

// Jumps to `to`, which cannot be fetched; comes back here.
static void jump(uintptr_t to) {
    __asm__ volatile("lla t0, 1f\n"
                     "sd t0, (%1)\n"
                     "jalr ra, %0\n"
                     "1:"
        :
        : "r"(to), "r"(&trap_exit)
        : "t0", "ra", "memory");
}

// Runs `entry` in user mode until it traps; comes back here.
static void run_user(uintptr_t entry) {
    clear_csr(mstatus, MSTATUS_MPP);
    write_csr(mepc, entry);
    __asm__ volatile("lla t0, 1f\n"
                     "sd t0, (%0)\n"
                     "mret\n"
                     "1:"
        :
        : "r"(&trap_exit)
        : "t0", "t1", "memory");
}

extern char user_ecall[], user_csr[], user_mret[], user_store[], user_load_hole[];
__asm__(".section .text\n"
        ".option push\n.option norvc\n"
        "user_ecall: ecall\n"
        "user_csr: csrr t1, mscratch\n"
        "user_mret: mret\n"
        "user_store: sw zero, (sp)\n ecall\n"
        "user_load_hole: li t1, 0x10000000\n lw t1, 4(t1)\n"
        ".option pop\n");

static void check_user(const char *name, uintptr_t entry, uint64_t cause, uintptr_t epc) {
    uint64_t before = trap_note[0].count;
    run_user(entry);
    check_trap(name, before, cause, epc, ANY);
    check("  came from user mode", trap_note[0].status & MSTATUS_MPP, 0);
}

void store_compressed(uintptr_t to);
__asm__(".section .text\nstore_compressed: c.sw a0, 8(a0)\n ret\n");

static void exceptions(void) {
    CHECK_TRAP("illegal all zero", CAUSE_ILLEGAL_INSTRUCTION, ANY, ".half 0", );
    CHECK_TRAP("illegal all ones", CAUSE_ILLEGAL_INSTRUCTION, ANY, ".word 0xffffffff", );
    CHECK_TRAP("illegal compressed", CAUSE_ILLEGAL_INSTRUCTION, ANY, ".half 0x2001", ); // c.addiw x0
    CHECK_TRAP("illegal opcode", CAUSE_ILLEGAL_INSTRUCTION, ANY, ".word 0x0000007b", );
    CHECK_TRAP("ebreak", CAUSE_BREAKPOINT, ANY, ".option push\n.option norvc\nebreak\n.option pop", );
    CHECK_TRAP("c.ebreak", CAUSE_BREAKPOINT, ANY, "c.ebreak", );
    CHECK_TRAP("ecall", CAUSE_MACHINE_ECALL, 0, "ecall", );
    CHECK_TRAP("load access", CAUSE_LOAD_ACCESS, HOLE + 8, "ld t0, 8(%[p])", [p] "r"(HOLE));
    CHECK_TRAP("load access byte", CAUSE_LOAD_ACCESS, HOLE + 3, "lbu t0, 3(%[p])", [p] "r"(HOLE));
    CHECK_TRAP("float load access", CAUSE_LOAD_ACCESS, HOLE + 8, "fld ft0, 8(%[p])", [p] "r"(HOLE));
    CHECK_TRAP("store access", CAUSE_STORE_ACCESS, HOLE + 4, "sw t0, 4(%[p])", [p] "r"(HOLE));
    uint64_t before = trap_note[0].count;
    store_compressed(HOLE);
    check_trap("store access compressed", before, CAUSE_STORE_ACCESS, (uintptr_t)store_compressed, HOLE + 8);
    CHECK_TRAP("store to mask ROM", CAUSE_STORE_ACCESS, ROM + 16, "sw t0, 16(%[p])", [p] "r"(ROM));
    CHECK_TRAP("amo access", CAUSE_STORE_ACCESS, HOLE, "amoadd.w t0, t0, (%[p])", [p] "r"(HOLE));
    CHECK_TRAP("lr access", CAUSE_LOAD_ACCESS, HOLE, "lr.w t0, (%[p])", [p] "r"(HOLE));
    CHECK_TRAP("amo misaligned", CAUSE_MISALIGNED_STORE, (uintptr_t)word + 2,
        "amoadd.w t0, t0, (%[p])", [p] "r"((uintptr_t)word + 2));
    CHECK_TRAP("amo.d misaligned", CAUSE_MISALIGNED_STORE, (uintptr_t)word + 4,
        "amoswap.d t0, t0, (%[p])", [p] "r"((uintptr_t)word + 4));
    CHECK_TRAP(
        "lr misaligned", CAUSE_MISALIGNED_LOAD, (uintptr_t)word + 1, "lr.w t0, (%[p])", [p] "r"((uintptr_t)word + 1));
}

static void fetch_faults(void) {
    static const struct {
        const char *name;
        uintptr_t to;
    } holes[] = {
        {"fetch access", HOLE},
        {"fetch access at 0", 0},
        {"fetch from a device", 0x38000000},
        {"fetch behind the SRAM", 0x80800000},
    };
    for (unsigned i = 0; i < sizeof(holes) / sizeof(*holes); i++) {
        uint64_t before = trap_note[0].count;
        jump(holes[i].to);
        check_trap(holes[i].name, before, CAUSE_FETCH_ACCESS, holes[i].to, holes[i].to);
    }
}

// A straight line that runs off the end of memory: the fault is at the first byte behind it.
static void run_off_the_end(void) {
    volatile uint16_t *last = (volatile uint16_t *)0x807ffffc;
    last[0] = last[1] = 0x0001; // c.nop
    __asm__ volatile("fence.i");
    uint64_t before = trap_note[0].count;
    jump((uintptr_t)last);
    check_trap("run off the end of memory", before, CAUSE_FETCH_ACCESS, 0x80800000, 0x80800000);
}

static void registers_survive(void) {
    // A faulting load leaves its destination alone; one that faults between others lets those happen.
    uint64_t kept = 0x1234, sum = 0;
    __asm__ volatile("addi %1, %1, 1\n ld %0, (%2)\n addi %1, %1, 2" : "+r"(kept), "+r"(sum) : "r"(HOLE));
    check("load fault keeps rd", kept, 0x1234);
    check("others executed once", sum, 3);
    sum = 0;
    __asm__ volatile("addi %0, %0, 1\n sd zero, (%1)\n addi %0, %0, 2" : "+r"(sum) : "r"(HOLE));
    check("others around a store executed once", sum, 3);
}

static void status_stack(void) {
    set_csr(mstatus, MSTATUS_MIE);
    __asm__ volatile("ecall");
    check("trap saves MIE in MPIE", trap_note[0].status & (MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP),
        MSTATUS_MPIE | MSTATUS_MPP);
    check("mret restores MIE", read_csr(mstatus) & (MSTATUS_MIE | MSTATUS_MPIE), MSTATUS_MIE | MSTATUS_MPIE);
    check("mret leaves MPP at user", read_csr(mstatus) & MSTATUS_MPP, 0);
    clear_csr(mstatus, MSTATUS_MIE);
    __asm__ volatile("ecall");
    check("trap with MIE clear", trap_note[0].status & (MSTATUS_MIE | MSTATUS_MPIE), 0);
    check("mret restores a clear MIE", read_csr(mstatus) & (MSTATUS_MIE | MSTATUS_MPIE), MSTATUS_MPIE);
}

static void csrs(void) {
    CHECK_TRAP("CSR 0x5c0 unknown", CAUSE_ILLEGAL_INSTRUCTION, ANY, "csrr t0, 0x5c0", );
    CHECK_TRAP("CSR 0x7c0 unknown", CAUSE_ILLEGAL_INSTRUCTION, ANY, "csrw 0x7c0, t0", );
    CHECK_TRAP("write to mhartid", CAUSE_ILLEGAL_INSTRUCTION, ANY, "csrw mhartid, t0", );
    CHECK_TRAP("write to cycle", CAUSE_ILLEGAL_INSTRUCTION, ANY, "csrw cycle, t0", );
    uint64_t before = trap_note[0].count;
    check("mhartid", read_csr(mhartid), 0);
    __asm__ volatile("csrs mhartid, zero"); // reads only
    write_csr(0x320, 0);
    check("0x320 mucounteren", read_csr(0x320), 0);
    write_csr(0x320, 5);
    check("0x320 keeps CY and IR", read_csr(0x320), 5);
    write_csr(0x321, 1);
    check("0x321 mscounteren", read_csr(0x321), 1);
    write_csr(mscratch, 0x123456789abcdef0);
    check("csrrw", ({
        uint64_t old;
        __asm__ volatile("csrrw %0, mscratch, %1" : "=r"(old) : "r"(5ul));
        old;
    }),
        0x123456789abcdef0);
    check("csrrsi", ({
        uint64_t old;
        __asm__ volatile("csrrsi %0, mscratch, 0x1a" : "=r"(old));
        old;
    }),
        5);
    check("csrrci", ({
        uint64_t old;
        __asm__ volatile("csrrci %0, mscratch, 3" : "=r"(old));
        old;
    }),
        0x1f);
    check("mscratch after it", read_csr(mscratch), 0x1c);
    write_csr(mepc, 0x80000003);
    check("mepc bit 0 is zero", read_csr(mepc), 0x80000002);
    check("misa is rv64 imafdc", read_csr(misa) & (3ul << 62 | 0x112d), 2ul << 62 | 0x112d);
    check("none of them trapped", trap_note[0].count - before, 0);
}

int main(void) {
    checks_begin();
    exceptions();
    fetch_faults();
    run_off_the_end();
    registers_survive();
    status_stack();
    csrs();
    check_user("ecall from user mode", (uintptr_t)user_ecall, CAUSE_USER_ECALL, (uintptr_t)user_ecall);
    check_user("CSR from user mode", (uintptr_t)user_csr, CAUSE_ILLEGAL_INSTRUCTION, (uintptr_t)user_csr);
    check_user("mret from user mode", (uintptr_t)user_mret, CAUSE_ILLEGAL_INSTRUCTION, (uintptr_t)user_mret);
    check_user("memory from user mode", (uintptr_t)user_store, CAUSE_USER_ECALL, (uintptr_t)user_store + 4);
    check_user("fault in user mode", (uintptr_t)user_load_hole, CAUSE_LOAD_ACCESS, (uintptr_t)user_load_hole + 4);
    checks_done();
}
