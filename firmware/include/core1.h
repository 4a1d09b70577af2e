// Work for hart 1 while hart 0 goes on: one job at a time, any number after one another.
#ifndef K210_CORE1_H
#define K210_CORE1_H

#include <stdbool.h>
#include <stdint.h>

#include "bsp.h"

// Lets hart 1 call `job(ctx)`. Returns false while the job before it has not ended. Call on hart 0.
// The job must not use MicroPython's heap or objects, and leaves interrupts of devices to hart 0.
bool core1_start(core_function job, void *ctx);

bool core1_busy(void);

// Sleeps until the job has ended, at most `timeout_us` microseconds. Returns true when it has;
// `*result`, unless NULL, is then what it returned.
bool core1_wait(uint64_t timeout_us, int *result);

#endif // K210_CORE1_H
