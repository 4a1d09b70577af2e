// Time, and sleeping until it has come or something has arrived.
#ifndef STUB_PAUSE_H
#define STUB_PAUSE_H

#include <stdint.h>

// Sleeps with interrupts off until one is pending or `until` (of sysctl_get_time_us()) has come; then lets
// interrupts through. Call it with interrupts off, so that none falls between a look and the sleep.
void pause_once(uint64_t until);

// Sleeps for so many microseconds; what arrives is taken meanwhile.
void pause_us(uint64_t us);

#endif // STUB_PAUSE_H
