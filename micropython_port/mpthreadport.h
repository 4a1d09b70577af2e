// Threads; see mpthreadport.c.
#ifndef K210_MPTHREADPORT_H
#define K210_MPTHREADPORT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    volatile bool locked;
} mp_thread_mutex_t;

void mp_thread_init(void);

// Ends every thread but the main one, which calls it.
void mp_thread_deinit(void);
void mp_thread_gc_others(void);

// Lets other threads run, or with none that can, sleeps until an interrupt has been served since
// `*seen` (of bsp_interrupts_served()) or mtime has reached `deadline`. May return early. Updates `*seen`.
void mp_thread_wait(uint32_t *seen, uint64_t deadline);

#endif // K210_MPTHREADPORT_H
