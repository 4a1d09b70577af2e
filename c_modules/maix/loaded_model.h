// A kernel model in memory, or as much of it as there is room for.
#ifndef MAIX_LOADED_MODEL_H
#define MAIX_LOADED_MODEL_H

#include "py/obj.h"

#include "dma_memory.h"
#include "kmodel.h"
#include "model_source.h"

// Part of an object on MicroPython's heap, where it stays; all zeros at first.
typedef struct {
    kmodel_t model; // model.bytes is NULL when none is loaded
    uint8_t *main_memory;
    dma_memory_t memory; // the resident bytes, the main memory, and room for one other layer
    uint32_t resident; // bytes of the model, from its first, that are in memory
    uint8_t *other_layer;
    model_source_t source; // open while there are others
} loaded_model_t;

// Loads what model_source_open() finds at `place` and `size`, in place of what was loaded before. `streamed`: with True
// only the table is resident, with False everything; with None everything too, or, of a model that memory could never
// hold, as many layers as leave some room to the program. Raises what model_source_open() and model_source_read() do,
// ValueError when it is no model that can be run, MemoryError; nothing is loaded then, but what was when nothing could
// be opened.
void loaded_model_load(loaded_model_t *self, mp_obj_t place, mp_obj_t size, mp_obj_t streamed);

// Gives the memory back and closes the file. Without a model it does nothing.
void loaded_model_unload(loaded_model_t *self);

// ValueError, in the words of kmodel_describe().
NORETURN void loaded_model_raise(const kmodel_error_t *error);

#endif // MAIX_LOADED_MODEL_H
