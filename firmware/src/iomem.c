#include "bsp.h"
#include "iomem.h"

#define BLOCKS (IOMEM_POOL_SIZE / CACHE_LINE)

// The data cache: 32 KiB (K210 datasheet), as Rocket's default 64 sets of 8 ways, one of which a miss replaces at
// random. After 256 misses in each set a line is still there with a chance of (7/8)^256, about 1e-15. Lines of the
// memory read here that are still present hit, which is why it is somewhat more than 64 * 256.
#define DISPLACING_READS (20000)

extern const char _text_start[], _text_end[];

static uint8_t pool[IOMEM_POOL_SIZE] IOMEM;
// Blocks of the allocation that starts here; 0 elsewhere.
static uint16_t taken[BLOCKS];
static volatile int lock;

bool is_memory_cache(uintptr_t address) {
    return address >= RAM_BASE_ADDR && address < RAM_BASE_ADDR + RAM_SIZE;
}

// Keeps the other hart and this one's interrupts out.
static uint64_t enter(void) {
    uint64_t state = bsp_irq_save();
    while (__sync_lock_test_and_set(&lock, 1)) {
    }
    return state;
}

static void leave(uint64_t state) {
    __sync_lock_release(&lock);
    bsp_irq_restore(state);
}

void iomem_displace_cache(void) {
    const volatile char *line = _text_start;
    for (unsigned i = 0; i < DISPLACING_READS; i++) {
        (void)*line;
        line += CACHE_LINE;
        if (line >= _text_end) {
            line = _text_start;
        }
    }
    __sync_synchronize();
}

void *iomem_malloc(uint32_t size) {
    uint32_t wanted = (size + CACHE_LINE - 1) / CACHE_LINE, start = 0;
    void *found = NULL;
    if (wanted == 0 || size > IOMEM_POOL_SIZE) {
        return NULL;
    }
    uint64_t state = enter();
    for (uint32_t i = 0; i < BLOCKS && !found;) {
        if (taken[i]) {
            i += taken[i];
            start = i;
        } else if (++i - start == wanted) {
            taken[start] = (uint16_t)wanted;
            found = pool + start * CACHE_LINE;
        }
    }
    leave(state);
    return found;
}

void iomem_free(void *paddr) {
    uint64_t state = enter();
    size_t offset = (size_t)((uint8_t *)paddr - pool);
    if (paddr && offset < IOMEM_POOL_SIZE) {
        taken[offset / CACHE_LINE] = 0;
    }
    leave(state);
}

uint32_t iomem_unused(void) {
    uint32_t unused = IOMEM_POOL_SIZE;
    uint64_t state = enter();
    for (uint32_t i = 0; i < BLOCKS; i++) {
        unused -= taken[i] * CACHE_LINE;
    }
    leave(state);
    return unused;
}
