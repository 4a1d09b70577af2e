#include "py/gc.h"
#include "py/runtime.h"

#include "dma_memory.h"
#include "iomem.h"

bool dma_memory_new(dma_memory_t *memory, size_t size) {
    size_t whole = (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    *memory = (dma_memory_t){0};
    // Whole lines: other objects begin and end in those around it.
    void *block = whole < size ? NULL : gc_alloc(whole + DMA_MEMORY_ALIGNMENT - 1, 0);
    if (block == NULL) {
        return false;
    }
    uintptr_t aligned = ((uintptr_t)block + DMA_MEMORY_ALIGNMENT - 1) & ~(uintptr_t)(DMA_MEMORY_ALIGNMENT - 1);
    iomem_displace_cache();
    *memory = (dma_memory_t){block, iomem_uncached((void *)aligned), size};
    return true;
}

void dma_memory_new_raise(dma_memory_t *memory, size_t size, const char *what) {
    if (!dma_memory_new(memory, size)) {
        gc_info_t info;
        gc_info(&info);
        mp_raise_msg_varg(&mp_type_MemoryError, MP_ERROR_TEXT("%s needs %u bytes, the largest free block is %u"), what,
            (unsigned)size, (unsigned)(info.max_free * MICROPY_BYTES_PER_GC_BLOCK));
    }
}

void dma_memory_free(dma_memory_t *memory) {
    if (memory->block != NULL) {
        gc_free(memory->block);
    }
    *memory = (dma_memory_t){0};
}

void dma_memory_clear(uint8_t *bytes, size_t size) {
    uint64_t *units = (uint64_t *)bytes;
    for (size_t i = 0; i < size / 8; i++) {
        units[i] = 0;
    }
    for (size_t i = size & ~(size_t)7; i < size; i++) {
        bytes[i] = 0;
    }
}
