// Memory that the DMA controller and both harts see alike: SRAM through its uncached addresses.
//
// It is sound because no access ever goes to the cached address of such memory: the linker script
// gives it whole cache lines of its own, the start-up code does not clear it, and the processor does not
// prefetch data. Source of the two views: Kendryte K210 datasheet 0.1.5, address map.
#ifndef K210_IOMEM_H
#define K210_IOMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform.h"

#define CACHE_LINE (64)

// Places a static variable there. It is not initialised, not even to zeros.
#define IOMEM __attribute__((section(".iomem"), aligned(CACHE_LINE)))

// SDK names. iomem_malloc() takes from a pool of IOMEM_POOL_SIZE bytes in steps of cache lines and
// returns NULL when there is no room. The memory is not cleared.
#define IOMEM_POOL_SIZE (64 * 1024)
void *iomem_malloc(uint32_t size);
void iomem_free(void *paddr);
uint32_t iomem_unused(void);

// Ordinary memory that is to be used through its uncached addresses from now on: what the calling hart's cache
// still holds of it to be written would otherwise be written over it later. No instruction writes lines
// back, so all of them are displaced, by reading other memory. Takes some 20,000 cache lines' time.
void iomem_displace_cache(void);

// The uncached address of a cached one.
static inline void *iomem_uncached(const void *cached) {
    return (void *)((uintptr_t)cached - (RAM_BASE_ADDR - RAM_UNCACHED_BASE_ADDR));
}

// True for addresses of SRAM that go through the cache.
bool is_memory_cache(uintptr_t address);

#endif // K210_IOMEM_H
