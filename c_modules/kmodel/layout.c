// Images in KPU RAM, and moving bytes.
#include <string.h>

#include "kmodel_layers.h"

kmodel_row_layout_t kmodel_row_layout(uint32_t width) {
    if (width <= KMODEL_KPU_LINE / 4) {
        return (kmodel_row_layout_t){4, KMODEL_KPU_LINE / 4, 1};
    }
    if (width <= KMODEL_KPU_LINE / 2) {
        return (kmodel_row_layout_t){2, KMODEL_KPU_LINE / 2, 1};
    }
    return (kmodel_row_layout_t){1, KMODEL_KPU_LINE, width / KMODEL_KPU_LINE + (width % KMODEL_KPU_LINE != 0)};
}

static uint64_t image_size(uint32_t width, uint32_t height, uint32_t channels) {
    kmodel_row_layout_t layout = kmodel_row_layout(width);
    uint64_t groups = ((uint64_t)channels + layout.group - 1) / layout.group;
    return product(product(groups, height), (uint64_t)layout.lines * KMODEL_KPU_LINE);
}

uint32_t kmodel_kpu_image_size(const kmodel_shape_t *shape) {
    uint64_t size = image_size(shape->width, shape->height, shape->channels);
    return size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

bool layout_fits(judge_t *judge, const format_shape_t *shape, uint32_t line) {
    uint64_t end = (uint64_t)line * KMODEL_KPU_LINE + image_size(shape->width, shape->height, shape->channels);
    return judge_at_most(judge, end, KMODEL_KPU_RAM_SIZE, "the image ends at byte # of KPU RAM, which has #");
}

// Main memory and KPU RAM are read and written past the cache on the board: the fewer accesses the better.
void copy_bytes(uint8_t *to, const uint8_t *from, size_t size) {
    if (!aligned(to, 8) || !aligned(from, 8)) {
        memcpy(to, from, size);
        return;
    }
    for (; size >= 32; size -= 32, to += 32, from += 32) {
        uint64_t a = load64(from), b = load64(from + 8), c = load64(from + 16), d = load64(from + 24);
        store64(to, a);
        store64(to + 8, b);
        store64(to + 16, c);
        store64(to + 24, d);
    }
    for (; size >= 8; size -= 8, to += 8, from += 8) {
        store64(to, load64(from));
    }
    for (; size != 0; size--) {
        *to++ = *from++;
    }
}

void layout_upload(uint8_t *ram, const uint8_t *image, const kmodel_shape_t *shape) {
    kmodel_row_layout_t layout = kmodel_row_layout(shape->width);
    size_t row_pitch = (size_t)layout.lines * KMODEL_KPU_LINE;
    if (shape->width == row_pitch) {
        copy_bytes(ram, image, row_pitch * shape->height * shape->channels);
        return;
    }
    for (uint32_t channel = 0; channel < shape->channels; channel++) {
        uint8_t *row = ram + channel / layout.group * row_pitch * shape->height + channel % layout.group * layout.pitch;
        for (uint32_t y = 0; y < shape->height; y++, row += row_pitch, image += shape->width) {
            copy_bytes(row, image, shape->width);
        }
    }
}
