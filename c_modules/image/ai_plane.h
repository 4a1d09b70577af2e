// AI planes: images as the KPU takes them, channel by channel, row by row, a byte 0..255 a sample. Portable C.
#ifndef IMAGE_AI_PLANE_H
#define IMAGE_AI_PLANE_H

#include <stddef.h>
#include <stdint.h>

// RGB565 pixels to three planes (red, green, blue) of `pixels` bytes each, one behind the other: 5 or 6 bits v become
// round(v * 255 / 31) or round(v * 255 / 63). `planes` is aligned to 8 bytes and is written in units of 8 where
// `pixels` is a multiple of 8, for memory that is not cached.
void ai_plane_from_rgb565(const uint16_t *rgb565, size_t pixels, uint8_t *planes);

// The other way: each byte's upper 5 or 6 bits.
void ai_plane_to_rgb565(const uint8_t *planes, size_t pixels, uint16_t *rgb565);

#endif // IMAGE_AI_PLANE_H
