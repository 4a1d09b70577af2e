// Layers that only move elements. Semantics: Kendryte standalone SDK, drivers/kpu.c.
#include <string.h>

#include "kmodel_layers.h"

bool judge_concat(judge_t *judge, const void *body) {
    const format_concat_t *arguments = body;
    if (!judge_body(judge, sizeof(*arguments) + product(arguments->inputs, sizeof(format_range_t)))) {
        return false;
    }
    uint64_t size = 0;
    span_t span;
    for (uint32_t i = 0; i < arguments->inputs; i++) {
        const format_range_t *input = &arguments->input[i];
        if (!judge_range(judge, ROLE_INPUT, input->address, input->size, 1, &span)) {
            return false;
        }
        size += input->size;
    }
    return judge_range(judge, ROLE_OUTPUT, arguments->out_address, size, 1, &span);
}

// Converters give an input's size rounded up to 8, so that inputs may run into the output.
bool run_concat(const run_t *run, const void *body) {
    const format_concat_t *arguments = body;
    uint8_t *out = run->main_memory + arguments->out_address;
    for (uint32_t i = 0; i < arguments->inputs; i++) {
        const uint8_t *in = run->main_memory + arguments->input[i].address;
        size_t size = arguments->input[i].size;
        if (in + size <= out || out + size <= in) {
            copy_bytes(out, in, size);
        } else {
            memmove(out, in, size);
        }
        out += size;
    }
    return true;
}

static bool judge_flatten_of(judge_t *judge, const format_flatten_t *arguments, uint32_t element) {
    uint64_t count = volume(&arguments->shape);
    span_t in, out;
    return judge_shape(judge, &arguments->shape)
        && judge_range(judge, ROLE_INPUT, arguments->in_address, count, element, &in)
        && judge_range(judge, ROLE_OUTPUT, arguments->out_address, count, element, &out)
        && judge_apart(judge, &in, &out, false);
}

bool judge_flatten(judge_t *judge, const void *body) {
    return judge_flatten_of(judge, body, sizeof(float));
}

bool judge_quantized_flatten(judge_t *judge, const void *body) {
    return judge_flatten_of(judge, body, 1);
}

// From channel by channel to cell by cell.
bool run_flatten(const run_t *run, const void *body) {
    const format_flatten_t *arguments = body;
    const uint32_t *in = (const void *)(run->main_memory + arguments->in_address);
    uint32_t *out = (void *)(run->main_memory + arguments->out_address);
    size_t cells = (size_t)arguments->shape.width * arguments->shape.height;
    for (size_t cell = 0; cell < cells; cell++) {
        for (uint32_t channel = 0; channel < arguments->shape.channels; channel++) {
            *out++ = in[channel * cells + cell];
        }
    }
    return true;
}

bool run_quantized_flatten(const run_t *run, const void *body) {
    const format_flatten_t *arguments = body;
    const uint8_t *in = run->main_memory + arguments->in_address;
    uint8_t *out = run->main_memory + arguments->out_address;
    size_t cells = (size_t)arguments->shape.width * arguments->shape.height;
    for (size_t cell = 0; cell < cells; cell++) {
        for (uint32_t channel = 0; channel < arguments->shape.channels; channel++) {
            *out++ = in[channel * cells + cell];
        }
    }
    return true;
}

// Beyond this a float does not tell neighbours apart.
#define RESIZE_MOST (1u << 24)

static bool judge_resize_of(judge_t *judge, const format_resize_t *arguments, uint32_t element) {
    format_shape_t shape = {arguments->out_width, arguments->out_height, arguments->in.channels};
    span_t in, out;
    return judge_shape(judge, &arguments->in) && judge_shape(judge, &shape)
        && judge_range(judge, ROLE_INPUT, arguments->in_address, volume(&arguments->in), element, &in)
        && judge_range(judge, ROLE_OUTPUT, arguments->out_address, volume(&shape), element, &out)
        && judge_apart(judge, &in, &out, false)
        && judge_at_most(judge, shape.width, RESIZE_MOST, "its output is # wide, at most # can be")
        && judge_at_most(judge, shape.height, RESIZE_MOST, "its output is # high, at most # can be");
}

bool judge_resize(judge_t *judge, const void *body) {
    return judge_resize_of(judge, body, sizeof(float));
}

bool judge_quantized_resize(judge_t *judge, const void *body) {
    return judge_resize_of(judge, body, 1);
}

// From output to input along one axis: position * scale + half, rounded down. The SDK leaves align_corners out; it is
// TensorFlow's: the first and last cells keep their places, and between them the nearest counts.
typedef struct {
    float scale;
    float half;
    uint32_t last;
} axis_t;

static axis_t axis(uint32_t in, uint32_t out, bool align_corners) {
    if (align_corners && out > 1) {
        return (axis_t){(float)(in - 1) / (float)(out - 1), 0.5f, in - 1};
    }
    return (axis_t){(float)in / (float)out, 0, in - 1};
}

static uint32_t source(const axis_t *axis, uint32_t position) {
    uint32_t from = (uint32_t)((float)position * axis->scale + axis->half);
    return from < axis->last ? from : axis->last;
}

bool run_resize(const run_t *run, const void *body) {
    const format_resize_t *arguments = body;
    const uint32_t *channel = (const void *)(run->main_memory + arguments->in_address);
    uint32_t *out = (void *)(run->main_memory + arguments->out_address);
    axis_t down = axis(arguments->in.height, arguments->out_height, arguments->align_corners);
    axis_t across = axis(arguments->in.width, arguments->out_width, arguments->align_corners);
    size_t size = (size_t)arguments->in.width * arguments->in.height;
    for (uint32_t c = 0; c < arguments->in.channels; c++, channel += size) {
        for (uint32_t y = 0; y < arguments->out_height; y++) {
            const uint32_t *row = channel + (size_t)source(&down, y) * arguments->in.width;
            for (uint32_t x = 0; x < arguments->out_width; x++) {
                *out++ = row[source(&across, x)];
            }
        }
    }
    return true;
}

bool run_quantized_resize(const run_t *run, const void *body) {
    const format_resize_t *arguments = body;
    const uint8_t *channel = run->main_memory + arguments->in_address;
    uint8_t *out = run->main_memory + arguments->out_address;
    axis_t down = axis(arguments->in.height, arguments->out_height, arguments->align_corners);
    axis_t across = axis(arguments->in.width, arguments->out_width, arguments->align_corners);
    size_t size = (size_t)arguments->in.width * arguments->in.height;
    for (uint32_t c = 0; c < arguments->in.channels; c++, channel += size) {
        for (uint32_t y = 0; y < arguments->out_height; y++) {
            const uint8_t *row = channel + (size_t)source(&down, y) * arguments->in.width;
            for (uint32_t x = 0; x < arguments->out_width; x++) {
                *out++ = row[source(&across, x)];
            }
        }
    }
    return true;
}
