// Random numbers from the times of events outside the chip, which has no documented source of
// entropy: good for seeds and shuffles, not for keys.
#ifndef K210_RANDOM_POOL_H
#define K210_RANDOM_POOL_H

#include <stddef.h>
#include <stdint.h>

// Stirs in the cycle counter; call when something from outside has happened.
void random_pool_stir(void);

uint32_t random_pool_u32(void);
void random_pool_fill(uint8_t *buf, size_t len);

#endif // K210_RANDOM_POOL_H
