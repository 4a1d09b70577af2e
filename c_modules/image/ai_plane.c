#include "ai_plane.h"

// Four samples in the 16-bit lanes of a word.
#define LANES(value) ((value) * UINT64_C(0x0001000100010001))

// The nearest to v * 255 / 31 and v * 255 / 63 for every v; no lane overflows.
static uint64_t bytes_of_5_bits(uint64_t lanes) {
    return ((lanes * 527 + LANES(23)) >> 6) & LANES(0xff);
}

static uint64_t bytes_of_6_bits(uint64_t lanes) {
    return ((lanes * 259 + LANES(33)) >> 6) & LANES(0xff);
}

// The low bytes of four lanes side by side.
static uint32_t packed(uint64_t lanes) {
    lanes = (lanes | lanes >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(lanes | lanes >> 16);
}

static uint64_t unit(uint64_t first, uint64_t second) {
    return packed(first) | (uint64_t)packed(second) << 32;
}

// Eight pixels.
static void convert(uint64_t first, uint64_t second, uint64_t out[3]) {
    out[0] = unit(bytes_of_5_bits(first >> 11 & LANES(0x1f)), bytes_of_5_bits(second >> 11 & LANES(0x1f)));
    out[1] = unit(bytes_of_6_bits(first >> 5 & LANES(0x3f)), bytes_of_6_bits(second >> 5 & LANES(0x3f)));
    out[2] = unit(bytes_of_5_bits(first & LANES(0x1f)), bytes_of_5_bits(second & LANES(0x1f)));
}

// As many of the first pixels as fill whole units; returns their number.
static size_t convert_units(const uint16_t *rgb565, size_t pixels, uint8_t *planes) {
    if (pixels % 8 || (uintptr_t)rgb565 % 8) {
        return 0;
    }
    const uint64_t *in = (const uint64_t *)rgb565;
    uint64_t *red = (uint64_t *)planes, *green = (uint64_t *)(planes + pixels), *blue = green + pixels / 8;
    for (size_t i = 0; i < pixels / 8; i++, in += 2) {
        uint64_t out[3];
        convert(in[0], in[1], out);
        red[i] = out[0];
        green[i] = out[1];
        blue[i] = out[2];
    }
    return pixels;
}

void ai_plane_from_rgb565(const uint16_t *rgb565, size_t pixels, uint8_t *planes) {
    for (size_t at = convert_units(rgb565, pixels, planes); at < pixels; at++) {
        uint64_t out[3];
        convert(rgb565[at], 0, out);
        for (unsigned channel = 0; channel < 3; channel++) {
            planes[channel * pixels + at] = (uint8_t)out[channel];
        }
    }
}

void ai_plane_to_rgb565(const uint8_t *planes, size_t pixels, uint16_t *rgb565) {
    const uint8_t *red = planes, *green = planes + pixels, *blue = planes + 2 * pixels;
    for (size_t i = 0; i < pixels; i++) {
        rgb565[i] = (uint16_t)(red[i] >> 3 << 11 | green[i] >> 2 << 5 | blue[i] >> 3);
    }
}
