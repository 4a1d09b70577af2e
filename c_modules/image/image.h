// Class image.Image: pixels in RGB565, and the AI planes that the KPU takes.
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stdint.h>

#include "py/obj.h"

#include "dma_memory.h"

#define IMAGE_MOST_PIXELS_A_SIDE (4096)

typedef struct {
    mp_obj_base_t base;
    uint32_t width;
    uint32_t height;
    uint16_t *pixels; // row by row; red in the upper bits
    dma_memory_t ai; // three planes of width * height bytes; empty before pix_to_ai()
} image_obj_t;

extern const mp_obj_type_t image_type;

#endif // IMAGE_IMAGE_H
