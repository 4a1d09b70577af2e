#include <string.h>

#include "py/runtime.h"

#include "fit.h"
#include "image.h"
#include "net_input.h"
#include "picture_file.h"

static const uint8_t *planes_of_image(const kmodel_t *model, const image_obj_t *image) {
    const kmodel_shape_t *wanted = &model->input;
    if (image->ai.block == NULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("the image has no AI planes: call its pix_to_ai() first"));
    }
    if (wanted->channels != 3 || image->width != wanted->width || image->height != wanted->height) {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT(
                "the image is %ux%u with 3 channels, the model wants %ux%u with %u: resize it, or give the path "
                "of a picture"),
            (unsigned)image->width, (unsigned)image->height, (unsigned)wanted->width, (unsigned)wanted->height,
            (unsigned)wanted->channels);
    }
    return image->ai.bytes;
}

// One row at a time through ordinary memory, since bytes are written one by one.
static void copy_channel(const picture_t *picture, uint32_t channel, const kmodel_shape_t *shape, uint8_t *plane) {
    uint8_t *row = m_new0(uint8_t, shape->width);
    const uint8_t *sample = picture->bytes + channel;
    for (uint32_t y = 0; y < picture->height; y++) {
        for (uint32_t x = 0; x < picture->width; x++, sample += picture->channels) {
            row[x] = *sample;
        }
        memcpy(plane + (size_t)y * shape->width, row, shape->width);
    }
    m_del(uint8_t, row, shape->width);
}

static void scale_channel(const picture_t *picture, uint32_t channel, const kmodel_shape_t *shape, uint8_t *plane) {
    uint32_t width, height;
    uint64_t *columns = m_new(uint64_t, picture->width);
    fit_size(picture->width, picture->height, shape->width, shape->height, &width, &height);
    fit_scale(picture->bytes + channel, picture->width, picture->height, picture->channels,
        (size_t)picture->width * picture->channels, plane, width, height, shape->width, columns);
    m_del(uint64_t, columns, picture->width);
}

static bool stands_unscaled(const picture_t *picture, const kmodel_shape_t *shape) {
    uint32_t width, height;
    fit_size(picture->width, picture->height, shape->width, shape->height, &width, &height);
    return width == picture->width && height == picture->height;
}

static const uint8_t *planes_of_file(const kmodel_t *model, mp_obj_t path, dma_memory_t *memory) {
    const kmodel_shape_t *shape = &model->input;
    if (shape->channels != 1 && shape->channels != 3) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("the model wants %u channels: a picture has 1 or 3"),
            (unsigned)shape->channels);
    }
    size_t plane_size = (size_t)shape->width * shape->height;
    picture_t picture = picture_read(path, shape->channels);
    dma_memory_new_raise(memory, plane_size * shape->channels, "the model's input");
    dma_memory_clear(memory->bytes, memory->size);
    for (uint32_t channel = 0; channel < shape->channels; channel++) {
        uint8_t *plane = memory->bytes + channel * plane_size;
        (stands_unscaled(&picture, shape) ? copy_channel : scale_channel)(&picture, channel, shape, plane);
    }
    picture_free(&picture);
    return memory->bytes;
}

const uint8_t *net_input_find(const kmodel_t *model, mp_obj_t input, dma_memory_t *memory) {
    *memory = (dma_memory_t){0};
    if (model->float_input) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("the model's input is %u floats, which no image is"),
            (unsigned)model->input.channels);
    }
    if (mp_obj_is_type(input, &image_type)) {
        return planes_of_image(model, MP_OBJ_TO_PTR(input));
    }
    if (mp_obj_is_str(input)) {
        return planes_of_file(model, input, memory);
    }
    mp_raise_TypeError(MP_ERROR_TEXT("run wants an Image, or the path of a picture"));
}
