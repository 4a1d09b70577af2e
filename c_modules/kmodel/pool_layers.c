// Pooling by the processor. Semantics: Kendryte standalone SDK, drivers/kpu.c; for floats' maximum, which has a body in
// nncase v0.1.0-rc5 but no function in the SDK, by analogy. That SDK forgets the activation of an average pool; it is
// applied here.
#include "kmodel_layers.h"

bool judge_global_average_pool(judge_t *judge, const void *body) {
    const format_global_pool_t *arguments = body;
    uint64_t cells = product(arguments->kernel_size, arguments->channels);
    span_t in, out;
    return judge_range(judge, ROLE_INPUT, arguments->in_address, cells, sizeof(float), &in)
        && judge_range(judge, ROLE_OUTPUT, arguments->out_address, arguments->channels, sizeof(float), &out)
        && judge_apart(judge, &in, &out, false);
}

bool run_global_average_pool(const run_t *run, const void *body) {
    const format_global_pool_t *arguments = body;
    const float *in = (const void *)(run->main_memory + arguments->in_address);
    float *out = (void *)(run->main_memory + arguments->out_address);
    for (uint32_t channel = 0; channel < arguments->channels; channel++) {
        float sum = 0;
        for (uint32_t i = 0; i < arguments->kernel_size; i++) {
            sum += *in++;
        }
        out[channel] = sum / (float)arguments->kernel_size;
    }
    return true;
}

// Along one axis: every window holds at least one cell of the input.
static bool judge_axis(judge_t *judge, uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride, uint32_t padding) {
    uint64_t last = product(out - 1, stride);
    return judge_at_least(
               judge, kernel, (uint64_t)padding + 1, "its kernel has # cells, with that padding # are needed")
        && judge_at_most(judge, last, (uint64_t)in - 1 + padding,
            "its last window starts # cells from the padding's edge, cells end after #");
}

static bool judge_pool(judge_t *judge, const format_quantized_pool_t *pool, uint32_t element) {
    span_t in, out;
    if (!judge_shape(judge, &pool->in) || !judge_shape(judge, &pool->out)
        || !judge_equal(judge, pool->out.channels, pool->in.channels, "it makes # channels out of #")) {
        return false;
    }
    // A larger kernel than the input does no more work than one of its size.
    uint64_t width = pool->kernel_width < pool->in.width ? pool->kernel_width : pool->in.width;
    uint64_t height = pool->kernel_height < pool->in.height ? pool->kernel_height : pool->in.height;
    return judge_axis(
               judge, pool->in.width, pool->out.width, pool->kernel_width, pool->stride_width, pool->padding_width)
        && judge_axis(
            judge, pool->in.height, pool->out.height, pool->kernel_height, pool->stride_height, pool->padding_height)
        && judge_range(judge, ROLE_INPUT, pool->in_address, volume(&pool->in), element, &in)
        && judge_range(judge, ROLE_OUTPUT, pool->out_address, volume(&pool->out), element, &out)
        && judge_apart(judge, &in, &out, false)
        && judge_steps(judge, product(volume(&pool->out), product(width, height)));
}

typedef struct {
    uint32_t start;
    uint32_t end;
} window_t;

static window_t window(uint32_t at, uint32_t size, uint32_t kernel, uint32_t stride, uint32_t padding) {
    uint64_t start = (uint64_t)at * stride, end = start + kernel;
    return (window_t){
        (uint32_t)(start > padding ? start - padding : 0),
        (uint32_t)(end - padding < size ? end - padding : size),
    };
}

static window_t rows(const format_quantized_pool_t *pool, uint32_t y) {
    return window(y, pool->in.height, pool->kernel_height, pool->stride_height, pool->padding_height);
}

static window_t columns(const format_quantized_pool_t *pool, uint32_t x) {
    return window(x, pool->in.width, pool->kernel_width, pool->stride_width, pool->padding_width);
}

static float most_of(const float *channel, uint32_t width, window_t across, window_t down) {
    float most = channel[(size_t)down.start * width + across.start];
    for (uint32_t y = down.start; y < down.end; y++) {
        const float *row = channel + (size_t)y * width;
        for (uint32_t x = across.start; x < across.end; x++) {
            most = row[x] > most ? row[x] : most;
        }
    }
    return most;
}

static float mean_of(const float *channel, uint32_t width, window_t across, window_t down) {
    float sum = 0;
    for (uint32_t y = down.start; y < down.end; y++) {
        const float *row = channel + (size_t)y * width;
        for (uint32_t x = across.start; x < across.end; x++) {
            sum += row[x];
        }
    }
    return sum / (float)((across.end - across.start) * (down.end - down.start));
}

static uint8_t most_byte_of(const uint8_t *channel, uint32_t width, window_t across, window_t down) {
    uint8_t most = 0;
    for (uint32_t y = down.start; y < down.end; y++) {
        const uint8_t *row = channel + (size_t)y * width;
        for (uint32_t x = across.start; x < across.end; x++) {
            most = row[x] > most ? row[x] : most;
        }
    }
    return most;
}

static bool run_pool(const run_t *run, const format_pool_t *arguments,
    float (*of)(const float *channel, uint32_t width, window_t across, window_t down)) {
    const format_quantized_pool_t *pool = &arguments->pool;
    const float *channel = (const void *)(run->main_memory + pool->in_address);
    float *out = (void *)(run->main_memory + pool->out_address);
    for (uint32_t c = 0; c < pool->out.channels; c++, channel += (size_t)pool->in.width * pool->in.height) {
        for (uint32_t y = 0; y < pool->out.height; y++) {
            window_t down = rows(pool, y);
            for (uint32_t x = 0; x < pool->out.width; x++) {
                *out++ = of(channel, pool->in.width, columns(pool, x), down);
            }
        }
    }
    size_t count = (size_t)volume(&pool->out);
    activate(out - count, count, arguments->activation);
    return true;
}

bool judge_max_pool(judge_t *judge, const void *body) {
    const format_pool_t *arguments = body;
    return judge_activation(judge, arguments->activation) && judge_pool(judge, &arguments->pool, sizeof(float));
}

bool run_max_pool(const run_t *run, const void *body) {
    return run_pool(run, body, most_of);
}

bool judge_average_pool(judge_t *judge, const void *body) {
    return judge_max_pool(judge, body);
}

bool run_average_pool(const run_t *run, const void *body) {
    return run_pool(run, body, mean_of);
}

bool judge_quantized_max_pool(judge_t *judge, const void *body) {
    return judge_pool(judge, body, 1);
}

bool run_quantized_max_pool(const run_t *run, const void *body) {
    const format_quantized_pool_t *pool = body;
    const uint8_t *channel = run->main_memory + pool->in_address;
    uint8_t *out = run->main_memory + pool->out_address;
    for (uint32_t c = 0; c < pool->out.channels; c++, channel += (size_t)pool->in.width * pool->in.height) {
        for (uint32_t y = 0; y < pool->out.height; y++) {
            window_t down = rows(pool, y);
            for (uint32_t x = 0; x < pool->out.width; x++) {
                *out++ = most_byte_of(channel, pool->in.width, columns(pool, x), down);
            }
        }
    }
    return true;
}
