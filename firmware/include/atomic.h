// Locks and atomic memory operations between the harts; names as in the Kendryte standalone SDK.
#ifndef K210_ATOMIC_H
#define K210_ATOMIC_H

#include "encoding.h"

#define mb() __sync_synchronize()
#define atomic_set(ptr, val) (*(volatile __typeof__(*(ptr)) *)(ptr) = (val))
#define atomic_read(ptr) (*(volatile __typeof__(*(ptr)) *)(ptr))
#define atomic_add(ptr, inc) __sync_fetch_and_add(ptr, inc)
#define atomic_or(ptr, inc) __sync_fetch_and_or(ptr, inc)
#define atomic_swap(ptr, swp) __sync_lock_test_and_set(ptr, swp)
#define atomic_cas(ptr, cmp, swp) __sync_val_compare_and_swap(ptr, cmp, swp)

typedef struct _spinlock {
    int lock;
} spinlock_t;

// A spinlock that its holder may take again.
typedef struct _corelock {
    spinlock_t lock;
    int count;
    int core; // the holder, or -1
} corelock_t;

#define SPINLOCK_INIT {0}
#define CORELOCK_INIT {.lock = SPINLOCK_INIT, .count = 0, .core = -1}

// Returns 0 when the lock is the caller's now.
static inline int spinlock_trylock(spinlock_t *lock) {
    int before = atomic_swap(&lock->lock, -1);
    mb();
    return before;
}

static inline void spinlock_lock(spinlock_t *lock) {
    while (spinlock_trylock(lock)) {
    }
}

static inline void spinlock_unlock(spinlock_t *lock) {
    mb();
    atomic_set(&lock->lock, 0);
}

// Returns 0 when the lock is the caller's now, once more perhaps; -1 when the other hart holds it.
static inline int corelock_trylock(corelock_t *lock) {
    int self = (int)read_csr(mhartid);
    // Only the caller itself can make this comparison true or false.
    if (atomic_read(&lock->core) != self) {
        if (spinlock_trylock(&lock->lock)) {
            return -1;
        }
        lock->core = self;
    }
    lock->count++;
    return 0;
}

static inline void corelock_lock(corelock_t *lock) {
    while (corelock_trylock(lock)) {
    }
}

// Does nothing when the caller does not hold it.
static inline void corelock_unlock(corelock_t *lock) {
    if (atomic_read(&lock->core) == (int)read_csr(mhartid) && --lock->count == 0) {
        lock->core = -1;
        spinlock_unlock(&lock->lock);
    }
}

#endif // K210_ATOMIC_H
