// Picture files: BMP, JPEG and PNG, read by stb_image.
#ifndef IMAGE_PICTURE_FILE_H
#define IMAGE_PICTURE_FILE_H

#include <stdint.h>

#include "py/obj.h"

typedef struct {
    uint8_t *bytes; // on MicroPython's heap: row by row, the channels of a pixel side by side
    uint32_t width;
    uint32_t height;
    uint32_t channels;
} picture_t;

// Reads a picture with 1 (grey) or 3 (red, green, blue) channels. Raises OSError when the file cannot be opened or
// read, ValueError when it is no picture, MemoryError.
picture_t picture_read(mp_obj_t path, uint32_t channels);

void picture_free(picture_t *picture);

#endif // IMAGE_PICTURE_FILE_H
