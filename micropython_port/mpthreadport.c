// Threads that take turns on hart 0.
//
// Under the interpreter's lock only one thread runs Python at any time, so a second hart would not
// make it faster; hart 1 is left to work in C (core1.h). A thread gives way where it releases that
// lock: every few branches in the virtual machine, while it sleeps and while it waits for a lock.
// A switch is an ordinary call that saves what a callee saves, so interrupts never see half of one.

#include <string.h>

#include "py/gc.h"
#include "py/mpthread.h"
#include "py/runtime.h"

#include "bsp.h"
#include "clint.h"
#include "mpthreadport.h"
#include "trap.h"

#if MICROPY_PY_THREAD

#define STACK_DEFAULT (16 * 1024)
#define STACK_MIN (8 * 1024)
// Room for what runs after the stack has been found full, and for interrupts.
#define STACK_RESERVE (3 * 1024)

typedef struct _thread_t {
    uintptr_t sp; // while it does not run
    struct _thread_t *next; // a ring
    mp_state_thread_t *state;
    void *(*entry)(void *);
    void *arg;
    mp_uint_t id;
    // While it waits: it need not be run before `changes` or the interrupts served differ, or `deadline`.
    bool waiting;
    uint32_t changes, interrupts;
    uint64_t deadline;
    uint64_t stack[];
} thread_t;

MP_REGISTER_ROOT_POINTER(struct _thread_t *threads);

static thread_t main_thread;
static thread_t *current;
static mp_uint_t last_id;
// Counts what may let a thread go on that waits.
static volatile uint32_t changes;

// Saves what a callee saves, leaves the stack pointer in *from, goes on with the stack of `to`. No
// float registers: the firmware keeps none across calls (CMakeLists.txt).
__attribute__((naked, noinline)) static void switch_stacks(uintptr_t *from, uintptr_t to) {
    (void)from;
    (void)to;
    __asm__ volatile("addi sp, sp, -112\n"
                     "sd ra, 0(sp)\n"
                     "sd s0, 8(sp)\n"
                     "sd s1, 16(sp)\n"
                     "sd s2, 24(sp)\n"
                     "sd s3, 32(sp)\n"
                     "sd s4, 40(sp)\n"
                     "sd s5, 48(sp)\n"
                     "sd s6, 56(sp)\n"
                     "sd s7, 64(sp)\n"
                     "sd s8, 72(sp)\n"
                     "sd s9, 80(sp)\n"
                     "sd s10, 88(sp)\n"
                     "sd s11, 96(sp)\n"
                     "sd sp, 0(a0)\n"
                     "mv sp, a1\n"
                     "ld ra, 0(sp)\n"
                     "ld s0, 8(sp)\n"
                     "ld s1, 16(sp)\n"
                     "ld s2, 24(sp)\n"
                     "ld s3, 32(sp)\n"
                     "ld s4, 40(sp)\n"
                     "ld s5, 48(sp)\n"
                     "ld s6, 56(sp)\n"
                     "ld s7, 64(sp)\n"
                     "ld s8, 72(sp)\n"
                     "ld s9, 80(sp)\n"
                     "ld s10, 88(sp)\n"
                     "ld s11, 96(sp)\n"
                     "addi sp, sp, 112\n"
                     "ret\n");
}

#define FRAME_WORDS (14)

static void run(thread_t *thread) {
    if (thread != current) {
        // A hard handler that came in between would be taken for the other thread's, with that one's stack limits.
        uint64_t state = bsp_irq_save();
        thread_t *before = current;
        current = thread;
        switch_stacks(&before->sp, thread->sp);
        bsp_irq_restore(state);
    }
}

static bool may_go_on(const thread_t *thread) {
    return !thread->waiting || thread->changes != changes || thread->interrupts != bsp_interrupts_served()
        || (thread->deadline != CLINT_NEVER && clint_get_time() >= thread->deadline);
}

// The next thread in the ring behind `start` that may go on; with none, sleeps until one may.
static thread_t *next_thread(thread_t *start) {
    for (;;) {
        uint32_t served = bsp_interrupts_served();
        uint64_t deadline = CLINT_NEVER;
        thread_t *thread = start;
        do {
            thread = thread->next;
            if (may_go_on(thread)) {
                return thread;
            }
            if (thread->deadline < deadline) {
                deadline = thread->deadline;
            }
        } while (thread != start);
        bsp_sleep_since(served, deadline);
    }
}

static void give_way(void) {
    if (current->next != current && !bsp_in_interrupt()) {
        run(next_thread(current));
    }
}

void mp_thread_wait(uint32_t *seen, uint64_t deadline) {
    if (bsp_in_interrupt()) {
        bsp_sleep_since(*seen, deadline);
    } else {
        current->changes = changes;
        current->interrupts = *seen;
        current->deadline = deadline;
        current->waiting = true;
        run(next_thread(current));
        current->waiting = false;
    }
    *seen = bsp_interrupts_served();
}

void mp_thread_init(void) {
    main_thread.next = current = &main_thread;
    main_thread.id = last_id = 1;
    mp_thread_set_state(&mp_state_ctx.thread);
}

void mp_thread_deinit(void) {
    if (current == &main_thread) {
        main_thread.next = &main_thread;
        MP_STATE_VM(threads) = NULL;
    }
}

void mp_thread_gc_others(void) {
    for (thread_t *thread = current->next; thread != current; thread = thread->next) {
        // The stacks of the others lie in the heap and are marked with their threads.
        gc_collect_root((void **)&thread, 1);
        if (thread == &main_thread) {
            gc_collect_root((void **)thread->sp, ((uintptr_t)thread->state->stack_top - thread->sp) / sizeof(void *));
        }
    }
    gc_collect_root((void **)&current, 1);
}

mp_state_thread_t *mp_thread_get_state(void) {
    return current->state;
}

void mp_thread_set_state(mp_state_thread_t *state) {
    current->state = state;
}

mp_uint_t mp_thread_get_id(void) {
    return current->id;
}

static void thread_main(void) {
    bsp_irq_restore(MSTATUS_MIE);
    current->entry(current->arg);
    // Out of the ring; nothing points to it any more but this stack, which the next collection frees.
    thread_t *before = current;
    while (before->next != current) {
        before = before->next;
    }
    before->next = current->next;
    MP_STATE_VM(threads) = main_thread.next == &main_thread ? NULL : main_thread.next;
    thread_t *next = next_thread(before);
    bsp_irq_save();
    current = next;
    uintptr_t unused;
    switch_stacks(&unused, current->sp);
}

mp_uint_t mp_thread_create(void *(*entry)(void *), void *arg, size_t *stack_size) {
    size_t size = *stack_size == 0 ? STACK_DEFAULT : *stack_size < STACK_MIN ? STACK_MIN : *stack_size;
    size_t words = size / sizeof(uint64_t);
    thread_t *thread = m_new_obj_var0(thread_t, stack, uint64_t, words);
    memset(thread, 0, sizeof(*thread));
    thread->entry = entry;
    thread->arg = arg;
    thread->id = ++last_id;
    // The stack pointer stays a multiple of 16.
    uint64_t *top = (uint64_t *)((uintptr_t)&thread->stack[words] & ~(uintptr_t)15);
    uint64_t *frame = top - FRAME_WORDS;
    memset(frame, 0, FRAME_WORDS * sizeof(uint64_t));
    frame[0] = (uintptr_t)thread_main;
    thread->sp = (uintptr_t)frame;
    *stack_size = (uintptr_t)top - (uintptr_t)thread->stack - STACK_RESERVE;
    // Last in the ring: after this thread's turn all others come before it again.
    thread->next = current->next;
    current->next = thread;
    MP_STATE_VM(threads) = main_thread.next;
    return thread->id;
}

void mp_thread_start(void) {
}

void mp_thread_finish(void) {
}

void mp_thread_mutex_init(mp_thread_mutex_t *mutex) {
    mutex->locked = false;
}

// Ctrl-C ends the waiting for a lock of the program's. The interpreter's lock is not held here.
static void handle_interrupt(void) {
    if (MP_STATE_THREAD(mp_pending_exception) != MP_OBJ_NULL) {
        MP_THREAD_GIL_ENTER();
        mp_handle_pending(true);
        MP_THREAD_GIL_EXIT();
    }
}

// A handler runs Python while the thread that it interrupts has the interpreter's lock, or sleeps without: it needs
// none of its own, and must leave the lock as it is.
static bool is_lent(const mp_thread_mutex_t *mutex) {
    return mutex == &MP_STATE_VM(gil_mutex) && bsp_in_interrupt();
}

int mp_thread_mutex_lock(mp_thread_mutex_t *mutex, int wait) {
    if (is_lent(mutex)) {
        return 1;
    }
    uint32_t seen = bsp_interrupts_served();
    while (mutex->locked) {
        if (!wait) {
            return 0;
        }
        mp_thread_wait(&seen, CLINT_NEVER);
        if (mutex != &MP_STATE_VM(gil_mutex)) {
            handle_interrupt();
        }
    }
    mutex->locked = true;
    return 1;
}

void mp_thread_mutex_unlock(mp_thread_mutex_t *mutex) {
    if (is_lent(mutex)) {
        return;
    }
    mutex->locked = false;
    // Nobody waits for the interpreter's lock: it is free whenever another thread has its turn.
    if (mutex == &MP_STATE_VM(gil_mutex)) {
        give_way();
    } else {
        changes++;
    }
}

#endif // MICROPY_PY_THREAD
