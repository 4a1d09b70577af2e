// Work for hart 1 (core1.h), and the locks that the harts share (atomic.h).

#include "check.h"
#include "core1.h"
#include "sysctl.h"
#include "trap.h"

#define ROUNDS (2000)

static volatile bool release;
static volatile unsigned where;

static int double_it(void *ctx) {
    where = (unsigned)current_coreid();
    return 2 * *(int *)ctx;
}

static int wait_for_release(void *ctx) {
    (void)ctx;
    while (!release) {
    }
    return -7;
}

static void jobs(void) {
    int number = 21, result = 0;
    check("nothing to do", core1_busy(), false);
    check("a job is taken", core1_start(double_it, &number), true);
    check("and ends", core1_wait(100000, &result), true);
    check("with its result", (uint64_t)result, 42);
    check("on hart 1", where, 1);
    unsigned good = 0;
    for (number = 0; number < 200; number++) {
        good += core1_start(double_it, &number) && core1_wait(100000, &result) && result == 2 * number;
    }
    check("two hundred more", good, 200);

    check("one that takes long", core1_start(wait_for_release, NULL), true);
    check("keeps it busy", core1_busy(), true);
    check("no second one meanwhile", core1_start(double_it, &number), false);
    uint64_t start = sysctl_get_time_us();
    check("the wait has a limit", core1_wait(2000, &result), false);
    check_range("of 2 ms", sysctl_get_time_us() - start, 2000, 2100);
    release = true;
    check("it ends", core1_wait(100000, &result), true);
    check("with a negative result", (uint64_t)(int64_t)result, (uint64_t)-7);
    check("waiting again changes nothing", core1_wait(0, NULL), true);
    check("idle again", core1_busy(), false);
}

static spinlock_t spin = SPINLOCK_INIT;
static corelock_t core = CORELOCK_INIT;
static volatile uint64_t under_spin, under_core;
static uint64_t atomics;

static int count(void *ctx) {
    (void)ctx;
    for (unsigned i = 0; i < ROUNDS; i++) {
        spinlock_lock(&spin);
        under_spin = under_spin + 1;
        spinlock_unlock(&spin);
        corelock_lock(&core);
        corelock_lock(&core);
        under_core = under_core + 1;
        corelock_unlock(&core);
        corelock_unlock(&core);
        atomic_add(&atomics, 1);
    }
    return 0;
}

static int try_both(void *ctx) {
    (void)ctx;
    int got = (spinlock_trylock(&spin) ? 1 : 0) | (corelock_trylock(&core) ? 2 : 0);
    corelock_unlock(&core); // not its own: nothing happens
    return got;
}

static int on_hart_1(core_function job) {
    int result = 99;
    core1_start(job, NULL);
    core1_wait(1000000, &result);
    return result;
}

static void locks(void) {
    core1_start(count, NULL);
    count(NULL);
    check("both have counted", core1_wait(1000000, NULL), true);
    check("under a spinlock none is lost", under_spin, 2 * ROUNDS);
    check("under a corelock neither", under_core, 2 * ROUNDS);
    check("nor by atomic additions", atomics, 2 * ROUNDS);

    spinlock_lock(&spin);
    corelock_lock(&core);
    corelock_lock(&core);
    check("hart 1 gets neither while hart 0 has them", (uint64_t)on_hart_1(try_both), 3);
    corelock_unlock(&core);
    check("a corelock is held until the last unlock", (uint64_t)on_hart_1(try_both), 3);
    corelock_unlock(&core);
    spinlock_unlock(&spin);
    check("hart 1 gets both then", (uint64_t)on_hart_1(try_both), 0);
    check("and keeps the spinlock", (uint64_t)(spinlock_trylock(&spin) != 0), 1);
    spinlock_unlock(&spin);

    uint32_t word = 5;
    check("swap gives what was there", atomic_swap(&word, 9), 5);
    check("cas refuses", atomic_cas(&word, 5, 1), 9);
    check("cas changes", (atomic_cas(&word, 9, 1), word), 1);
    check("or", (atomic_or(&word, 6), word), 7);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    set_csr(mstatus, MSTATUS_MIE);
    jobs();
    locks();
    checks_done();
}
