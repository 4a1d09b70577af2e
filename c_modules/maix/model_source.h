// Where models and other data come from: raw flash, or a file.
#ifndef MAIX_MODEL_SOURCE_H
#define MAIX_MODEL_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "py/obj.h"

typedef struct {
    mp_obj_t file; // MP_OBJ_NULL: raw flash
    mp_obj_t path;
    uint32_t offset; // in the flash
    size_t size; // bytes that there are
} model_source_t;

// From the arguments (path) or (offset, size). Raises OSError when there is no such file, ValueError when offset and
// size leave the flash, TypeError for anything else.
model_source_t model_source_open(mp_obj_t place, mp_obj_t size);

// Reads `size` bytes from `at`; Ctrl-C ends it. `to` may be at a cached or an uncached address. Raises OSError.
void model_source_read(const model_source_t *source, size_t at, uint8_t *to, size_t size);

void model_source_close(model_source_t *source);

#endif // MAIX_MODEL_SOURCE_H
