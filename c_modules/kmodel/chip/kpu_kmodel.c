#include <string.h>

#include "bsp.h"
#include "iomem.h"
#include "kmodel_chip.h"
#include "kpu_kmodel.h"

#define LAYER_LIMIT_US (1000000)

static bool wait(const volatile bool *done) {
    return bsp_wait(done, LAYER_LIMIT_US);
}

int kpu_load_kmodel(kpu_model_context_t *ctx, const uint8_t *buffer) {
    uintptr_t end = RAM_UNCACHED_BASE_ADDR + RAM_SIZE;
    memset(ctx, 0, sizeof(*ctx));
    if (is_memory_cache((uintptr_t)buffer)) {
        iomem_displace_cache();
        buffer = iomem_uncached(buffer);
    }
    // The SDK's call does not tell how much there is: as much as memory.
    if ((uintptr_t)buffer >= end || !kmodel_load(&ctx->model, buffer, end - (uintptr_t)buffer, &ctx->error)) {
        return -1;
    }
    uint8_t *memory = iomem_malloc(ctx->model.facts.main_memory + KMODEL_ALIGNMENT);
    ctx->main_buffer = memory;
    return memory ? 0 : -1;
}

void kpu_model_free(kpu_model_context_t *ctx) {
    iomem_free(ctx->main_buffer);
    memset(ctx, 0, sizeof(*ctx));
}

static uint8_t *main_memory(const kpu_model_context_t *ctx) {
    uintptr_t address = (uintptr_t)ctx->main_buffer + KMODEL_ALIGNMENT - 1;
    return (uint8_t *)(address - address % KMODEL_ALIGNMENT);
}

int kpu_get_output(kpu_model_context_t *ctx, uint32_t index, uint8_t **data, size_t *size) {
    uint32_t address, bytes;
    if (!kmodel_output(&ctx->model, index, &address, &bytes)) {
        return -1;
    }
    *data = main_memory(ctx) + address;
    *size = bytes;
    return 0;
}

int kpu_run_kmodel(kpu_model_context_t *ctx, const uint8_t *src, dmac_channel_number_t dma_ch,
    kpu_done_callback_t done_callback, void *userdata) {
    kmodel_chip_t chip = {dma_ch, wait};
    if (ctx->main_buffer == NULL || !kmodel_chip_run(&chip, &ctx->model, main_memory(ctx), src, &ctx->error)) {
        return -1;
    }
    if (done_callback) {
        done_callback(userdata);
    }
    return 0;
}
