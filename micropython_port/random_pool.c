#include "bsp.h"
#include "random_pool.h"

static uint64_t pool = 0x9e3779b97f4a7c15;

// The finalizer of splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014.
static uint64_t mix(uint64_t value) {
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
}

void random_pool_stir(void) {
    pool = mix(pool ^ read_cycle());
}

uint32_t random_pool_u32(void) {
    uint64_t state = bsp_irq_save();
    pool += 0x9e3779b97f4a7c15;
    random_pool_stir();
    uint32_t value = (uint32_t)(pool >> 32);
    bsp_irq_restore(state);
    return value;
}

void random_pool_fill(uint8_t *buf, size_t len) {
    for (size_t i = 0; i < len; i++) {
        buf[i] = (uint8_t)random_pool_u32();
    }
}
