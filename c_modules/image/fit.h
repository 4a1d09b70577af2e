// Scaling pictures. Portable C.
#ifndef IMAGE_FIT_H
#define IMAGE_FIT_H

#include <stddef.h>
#include <stdint.h>

// The largest size of the proportions of width x height that fits into most_width x most_height; at least 1x1.
void fit_size(uint32_t width, uint32_t height, uint32_t most_width, uint32_t most_height, uint32_t *fitted_width,
    uint32_t *fitted_height);

// Scales one channel: every sample of the result is the mean, rounded half up, of the area that it covers in the
// source. Source samples are `step` bytes apart, rows `stride` bytes. The result's samples are adjacent, its rows
// `target_stride` bytes apart. Widths and heights up to 65,535. `columns` holds `width` numbers meanwhile.
void fit_scale(const uint8_t *source, uint32_t width, uint32_t height, uint32_t step, size_t stride, uint8_t *target,
    uint32_t target_width, uint32_t target_height, size_t target_stride, uint64_t *columns);

#endif // IMAGE_FIT_H
