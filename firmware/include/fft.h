// FFT: 64, 128, 256 or 512 points of complex numbers, 16 bits each part.
// Registers: Kendryte standalone SDK, fft.h; use: its fft.c.
#ifndef K210_FFT_H
#define K210_FFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dmac.h"
#include "platform.h"

// 64 bits wide, and accessed as such.
typedef struct {
    uint64_t input_fifo; // 0x00
    uint64_t ctrl; // 0x08
    uint64_t fifo_ctrl; // 0x10
    uint64_t intr_mask; // 0x18
    uint64_t intr_clear; // 0x20
    uint64_t status; // 0x28
    uint64_t status_raw; // 0x30
    uint64_t output_fifo; // 0x38
} fft_t;

#define fft ((volatile fft_t *)FFT_BASE_ADDR)

// ctrl
#define FFT_CTRL_POINT(point) ((uint64_t)(point))
#define FFT_CTRL_DIRECTION(direction) ((uint64_t)(direction) << 3)
#define FFT_CTRL_SHIFT(shift) ((uint64_t)((shift) & 0x1ff) << 4)
#define FFT_CTRL_ENABLE (1u << 13)
#define FFT_CTRL_DMA (1u << 14)
#define FFT_CTRL_INPUT_MODE(mode) ((uint64_t)(mode) << 15) // 0: RIRI, 1: RRRR, 2: all real parts first
#define FFT_CTRL_DATA_32BIT (1u << 17)

typedef struct _complex_hard {
    int16_t real;
    int16_t imag;
} complex_hard_t;

// Two points as they lie in memory, for the input and for the output.
typedef struct _fft_data {
    int16_t I1;
    int16_t R1;
    int16_t I2;
    int16_t R2;
} fft_data_t;

typedef enum _fft_point { FFT_512, FFT_256, FFT_128, FFT_64 } fft_point_t;

typedef enum _fft_direction { FFT_DIR_BACKWARD, FFT_DIR_FORWARD, FFT_DIR_MAX } fft_direction_t;

// A transform of `point_num` points (64, 128, 256 or 512). Bit n of `shift` halves the results of layer
// n + 1, without which 16 bits may overflow; the backward transform divides by nothing else. `input` and
// `output` may be the same. Does nothing for another number of points.
void fft_complex_uint16_dma(dmac_channel_number_t dma_send_channel_num, dmac_channel_number_t dma_receive_channel_num,
    uint16_t shift, fft_direction_t direction, const uint64_t *input, size_t point_num, uint64_t *output);

// As above; returns false for another number of points, when another caller does not leave the block, or when it does
// not answer: `output` may be incomplete then.
bool fft_complex(dmac_channel_number_t send, dmac_channel_number_t receive, uint16_t shift, fft_direction_t direction,
    const uint64_t *input, size_t point_num, uint64_t *output);

#endif // K210_FFT_H
