// Memory as the engines see it: which pages hold code, and what takes stores.

#include "core.h"

// Memory 0 is SRAM; memory 1, when there, is its uncached alias.
void mark_code(core_t *core, uint64_t offset, uint32_t size) {
    for (uint64_t page = offset >> PAGE_SHIFT; page <= (offset + size) >> PAGE_SHIFT; page++) {
        core->code_pages[page] = 1;
    }
}

// Whether a store to that page goes anywhere.
static bool takes_stores(const core_t *core, uint64_t page) {
    for (unsigned i = 0; i < core->memories; i++) {
        if (page - core->memory[i].base < core->memory[i].size) {
            return core->memory[i].writable;
        }
    }
    for (unsigned i = 0; i < core->devices; i++) {
        if (page - core->device[i]->base < core->device[i]->span) {
            return true;
        }
    }
    return false;
}

// Unicorn stores fast to pages that are not executable, and watches stores to those that are. A page
// becomes executable when a hart first fetches from it. The upper half of an address is not decoded
// (laanwj's memory map of the K210).
bool on_fill(uc_engine *uc, uint64_t address, uc_mem_type type, uc_tlb_entry *entry, void *user) {
    (void)uc;
    core_t *core = ((hart_t *)user)->core;
    unsigned index;
    uint64_t offset;
    entry->paddr = address & 0xffffffff;
    bool code = type == UC_MEM_FETCH;
    bool store = type == UC_MEM_WRITE;
    int writable = UC_PROT_WRITE;
    if (host_code(core, entry->paddr, &index, &offset) != NULL && index <= 1) {
        if (code) {
            core->code_pages[offset >> PAGE_SHIFT] = 1;
        }
        code = core->code_pages[offset >> PAGE_SHIFT];
        core->written[offset >> PAGE_SHIFT] |= store;
        writable = core->watching && !store ? 0 : UC_PROT_WRITE;
    }
    entry->perms = UC_PROT_READ | writable | (code ? UC_PROT_EXEC : 0);
    // A store that nothing takes has to be refused here: later on, Unicorn would go on behind it.
    return !store || takes_stores(core, entry->paddr);
}

// From now on, `written` tells where a hart stores: the first store to a page comes to on_fill.
void watch_stores(core_t *core) {
    core->watching = true;
    memset(core->written, 0, core->memory[0].size >> PAGE_SHIFT);
    for (unsigned i = 0; i < HARTS; i++) {
        unicorn.ctl(core->hart[i].uc, UC_CTL_WRITE(UC_CTL_TLB_FLUSH, 0));
    }
}

// Drops translated code in that range of SRAM, under both its addresses, which lies within it.
void invalidate(core_t *core, uint64_t offset, uint64_t size) {
    for (uint64_t page = offset >> PAGE_SHIFT; page <= (offset + size - 1) >> PAGE_SHIFT; page++) {
        if (!core->code_pages[page]) {
            continue;
        }
        uint64_t start = page << PAGE_SHIFT;
        for (unsigned i = 0; i < HARTS * 2; i++) {
            uint64_t base = core->memory[i & 1].base + start;
            unicorn.ctl(core->hart[i >> 1].uc, UC_CTL_WRITE(UC_CTL_TB_REMOVE_CACHE, 2), base, base + (1 << PAGE_SHIFT));
        }
        core->code_pages[page] = 0;
        for (unsigned i = 0; i < HARTS; i++) {
            memset(core->hart[i].blocks + (start >> 1), 0, (1 << PAGE_SHIFT) / 2 * sizeof(uint16_t));
        }
    }
}
