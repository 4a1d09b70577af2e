// Runs kernel models on the chip's KPU.
#ifndef MAIX_KPU_BACKEND_H
#define MAIX_KPU_BACKEND_H

#include <stdbool.h>

#include "kmodel.h"

// True while a model runs, on whichever thread: there is one KPU.
bool kpu_backend_busy(void);

// Runs `model` to its end; other threads and scheduled functions run meanwhile. `input` and `main_memory` are at
// uncached addresses. False with `error` when a streamed model is another by now. Raises OSError(EBUSY) when the KPU or
// all DMA channels are taken, OSError(ETIMEDOUT) when the KPU does not finish a layer, and whatever a scheduled
// function or Ctrl-C raises; the KPU is idle then.
bool kpu_backend_run(const kmodel_t *model, uint8_t *main_memory, const void *input, kmodel_error_t *error);

#endif // MAIX_KPU_BACKEND_H
