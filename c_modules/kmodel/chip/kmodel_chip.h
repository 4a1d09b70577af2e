// Runs kernel models on the chip's KPU: layers by its interrupt, images and results by DMA. Nothing of MicroPython.
#ifndef KMODEL_CHIP_H
#define KMODEL_CHIP_H

#include <stdbool.h>

#include "dmac.h"
#include "kmodel.h"

typedef struct {
    dmac_channel_number_t channel; // the caller's to take, and to give back
    // Sleeps until an interrupt has set `*done`; false ends the run. It may also leave by a long jump: call
    // kmodel_chip_stop() then.
    bool (*wait)(const volatile bool *done);
} kmodel_chip_t;

// As kmodel_run(). The model, the main memory and the input are at uncached addresses. One run at a time.
bool kmodel_chip_run(
    const kmodel_chip_t *chip, const kmodel_t *model, uint8_t *main_memory, const void *input, kmodel_error_t *error);

// Stops the KPU and the channel, whatever they are at.
void kmodel_chip_stop(const kmodel_chip_t *chip);

#endif // KMODEL_CHIP_H
