#include "fit.h"

void fit_size(uint32_t width, uint32_t height, uint32_t most_width, uint32_t most_height, uint32_t *fitted_width,
    uint32_t *fitted_height) {
    uint64_t by_height = (uint64_t)width * most_height, by_width = (uint64_t)height * most_width;
    if (by_height >= by_width) { // the width is what limits
        *fitted_width = most_width;
        *fitted_height = (uint32_t)((by_width + width / 2) / width);
    } else {
        *fitted_width = (uint32_t)((by_height + height / 2) / height);
        *fitted_height = most_height;
    }
    *fitted_width += *fitted_width == 0;
    *fitted_height += *fitted_height == 0;
}

// How much of [from, to) lies in cell `cell` of length `length`.
static uint64_t overlap(uint64_t from, uint64_t to, uint64_t cell, uint64_t length) {
    uint64_t low = cell * length, high = low + length;
    return (to < high ? to : high) - (from > low ? from : low);
}

// Each source column's sum over the rows that the result's row covers. Lengths are in units of 1 / target_height.
static void sum_rows(const uint8_t *source, uint32_t width, uint32_t height, uint32_t step, size_t stride, uint32_t y,
    uint32_t target_height, uint64_t *columns) {
    uint64_t from = (uint64_t)y * height, to = from + height;
    for (uint32_t x = 0; x < width; x++) {
        columns[x] = 0;
    }
    for (uint64_t row = from / target_height; row * target_height < to; row++) {
        uint64_t weight = overlap(from, to, row, target_height);
        const uint8_t *sample = source + row * stride;
        for (uint32_t x = 0; x < width; x++, sample += step) {
            columns[x] += weight * *sample;
        }
    }
}

void fit_scale(const uint8_t *source, uint32_t width, uint32_t height, uint32_t step, size_t stride, uint8_t *target,
    uint32_t target_width, uint32_t target_height, size_t target_stride, uint64_t *columns) {
    uint64_t area = (uint64_t)width * height;
    for (uint32_t y = 0; y < target_height; y++) {
        sum_rows(source, width, height, step, stride, y, target_height, columns);
        for (uint32_t x = 0; x < target_width; x++) {
            uint64_t from = (uint64_t)x * width, to = from + width, sum = area / 2;
            for (uint64_t column = from / target_width; column * target_width < to; column++) {
                sum += overlap(from, to, column, target_width) * columns[column];
            }
            target[y * target_stride + x] = (uint8_t)(sum / area);
        }
    }
}
