// Kernel models under the names of the vendor's SDK (kpu.h), for programs written to it.
//
// Different from there: kpu_run_kmodel() returns when the model has run, its callback having been called; a model that
// could not be run safely is refused when it is loaded; work memory comes from iomem_malloc().
#ifndef KPU_KMODEL_H
#define KPU_KMODEL_H

#include <stddef.h>
#include <stdint.h>

#include "dmac.h"
#include "kmodel.h"

typedef void (*kpu_done_callback_t)(void *userdata);

typedef struct {
    kmodel_t model;
    uint8_t *main_buffer;
    kmodel_error_t error; // of the last call that failed: kmodel_describe() puts it into words
} kpu_model_context_t;

// `buffer`, aligned to KMODEL_ALIGNMENT, has to stay. At a cached address it is used through its uncached one, and must
// not be written to any more. Returns 0, or -1 when it is no model that can be run or memory is short.
int kpu_load_kmodel(kpu_model_context_t *ctx, const uint8_t *buffer);

// Gives the work memory back.
void kpu_model_free(kpu_model_context_t *ctx);

// Where output `index` is and its size in bytes. Returns 0, or -1 when there is no such output.
int kpu_get_output(kpu_model_context_t *ctx, uint32_t index, uint8_t **data, size_t *size);

// Runs the model on `src`, at an uncached address, then calls `done_callback(userdata)`. Returns 0, or -1 when the KPU
// did not finish a layer within a second.
int kpu_run_kmodel(kpu_model_context_t *ctx, const uint8_t *src, dmac_channel_number_t dma_ch,
    kpu_done_callback_t done_callback, void *userdata);

#endif // KPU_KMODEL_H
