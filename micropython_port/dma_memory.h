// Blocks of MicroPython's heap that the KPU, the camera and DMA can use: whole cache lines, only ever accessed through
// their uncached addresses while they last.
#ifndef K210_DMA_MEMORY_H
#define K210_DMA_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// As the strictest of what the KPU fetches is aligned in its model files.
#define DMA_MEMORY_ALIGNMENT (256)

typedef struct {
    void *block; // what keeps it alive; must stay in memory that the garbage collector looks through
    uint8_t *bytes; // uncached, aligned to DMA_MEMORY_ALIGNMENT
    size_t size;
} dma_memory_t;

// False when the heap has no room, after a collection; `memory` is then empty. What the bytes hold is not defined.
bool dma_memory_new(dma_memory_t *memory, size_t size);

// As above, or MemoryError with `what`, the size and the largest free block.
void dma_memory_new_raise(dma_memory_t *memory, size_t size, const char *what);

// Gives it back; an empty one is left alone.
void dma_memory_free(dma_memory_t *memory);

// Zeros, eight bytes at a time.
void dma_memory_clear(uint8_t *bytes, size_t size);

#endif // K210_DMA_MEMORY_H
