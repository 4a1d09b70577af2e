// What a net is given: an Image with AI planes, or a picture file.
#ifndef MAIX_NET_INPUT_H
#define MAIX_NET_INPUT_H

#include "py/obj.h"

#include "dma_memory.h"
#include "kmodel.h"

// The planes for `model` from `input`. Those of an Image are used in place; those of a file are in `memory`, the
// caller's to free: a picture of another size is scaled, in its proportions, to the largest that fits, and stands in
// the upper left corner with zeros around. Raises ValueError when an Image has no AI planes or another size than the
// model's input, TypeError for anything else, and what picture_read() raises.
const uint8_t *net_input_find(const kmodel_t *model, mp_obj_t input, dma_memory_t *memory);

#endif // MAIX_NET_INPUT_H
