// Layers of floats. Semantics and order of operations: Kendryte standalone SDK, drivers/kpu.c.
#include <math.h>

#include "kmodel_layers.h"

void activate(float *data, size_t count, uint32_t activation) {
    if (activation == ACTIVATION_LINEAR) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        float value = data[i] > 0 ? data[i] : 0;
        data[i] = activation == ACTIVATION_RELU6 && value > 6 ? 6 : value;
    }
}

static const float *in_floats(const run_t *run, uint32_t address) {
    return (const void *)(run->main_memory + address);
}

static float *out_floats(const run_t *run, uint32_t address) {
    return (void *)(run->main_memory + address);
}

bool judge_add(judge_t *judge, const void *body) {
    const format_add_t *arguments = body;
    span_t a, b, out;
    return judge_range(judge, ROLE_INPUT, arguments->a_address, arguments->count, sizeof(float), &a)
        && judge_range(judge, ROLE_SECOND_INPUT, arguments->b_address, arguments->count, sizeof(float), &b)
        && judge_range(judge, ROLE_OUTPUT, arguments->out_address, arguments->count, sizeof(float), &out)
        && judge_apart(judge, &a, &out, true) && judge_apart(judge, &b, &out, true);
}

bool run_add(const run_t *run, const void *body) {
    const format_add_t *arguments = body;
    const float *a = in_floats(run, arguments->a_address);
    const float *b = in_floats(run, arguments->b_address);
    float *out = out_floats(run, arguments->out_address);
    for (uint32_t i = 0; i < arguments->count; i++) {
        out[i] = a[i] + b[i];
    }
    return true;
}

// As many floats out as in, in place if need be.
static bool judge_mapping(judge_t *judge, const format_simple_t *arguments) {
    span_t in, out;
    return judge_range(judge, ROLE_INPUT, arguments->in_address, arguments->count, sizeof(float), &in)
        && judge_range(judge, ROLE_OUTPUT, arguments->out_address, arguments->count, sizeof(float), &out)
        && judge_apart(judge, &in, &out, true);
}

bool judge_l2_normalization(judge_t *judge, const void *body) {
    return judge_mapping(judge, body);
}

bool run_l2_normalization(const run_t *run, const void *body) {
    const format_simple_t *arguments = body;
    const float *in = in_floats(run, arguments->in_address);
    float *out = out_floats(run, arguments->out_address);
    const float epsilon = 1e-10f;
    float sum = 0;
    for (uint32_t i = 0; i < arguments->count; i++) {
        sum += in[i] * in[i];
    }
    float factor = 1.0f / sqrtf(sum < epsilon ? epsilon : sum);
    for (uint32_t i = 0; i < arguments->count; i++) {
        out[i] = in[i] * factor;
    }
    return true;
}

bool judge_softmax(judge_t *judge, const void *body) {
    return judge_mapping(judge, body);
}

// The SDK starts the maximum at a value just above zero; the true one keeps the sum from vanishing when all are
// negative.
bool run_softmax(const run_t *run, const void *body) {
    const format_simple_t *arguments = body;
    const float *in = in_floats(run, arguments->in_address);
    float *out = out_floats(run, arguments->out_address);
    float most = in[0];
    for (uint32_t i = 1; i < arguments->count; i++) {
        most = in[i] > most ? in[i] : most;
    }
    float sum = 0;
    for (uint32_t i = 0; i < arguments->count; i++) {
        float value = expf(in[i] - most);
        sum += value;
        out[i] = value;
    }
    for (uint32_t i = 0; i < arguments->count; i++) {
        out[i] /= sum;
    }
    return true;
}

bool judge_logistic(judge_t *judge, const void *body) {
    return judge_mapping(judge, body);
}

bool run_logistic(const run_t *run, const void *body) {
    const format_simple_t *arguments = body;
    const float *in = in_floats(run, arguments->in_address);
    float *out = out_floats(run, arguments->out_address);
    for (uint32_t i = 0; i < arguments->count; i++) {
        out[i] = 1.0f / (1.0f + expf(-in[i]));
    }
    return true;
}

bool judge_fully_connected(judge_t *judge, const void *body) {
    const format_fully_connected_t *arguments = body;
    uint64_t weights = product((uint64_t)arguments->in_channels + 1, arguments->out_channels);
    span_t in, out;
    return judge_activation(judge, arguments->activation)
        && judge_body(judge, sizeof(*arguments) + product(weights, sizeof(float)))
        && judge_range(judge, ROLE_INPUT, arguments->in_address, arguments->in_channels, sizeof(float), &in)
        && judge_range(judge, ROLE_OUTPUT, arguments->out_address, arguments->out_channels, sizeof(float), &out)
        && judge_apart(judge, &in, &out, false) && judge_steps(judge, weights);
}

// Four sums at a time, each in the SDK's order: an input is fetched from slow memory once for all of them.
static void dot_four(const float *in, const float *weights, uint32_t count, float *sums) {
    const float *w1 = weights + count, *w2 = w1 + count, *w3 = w2 + count;
    float a = 0, b = 0, c = 0, d = 0;
    for (uint32_t i = 0; i < count; i++) {
        float x = in[i];
        a += x * weights[i];
        b += x * w1[i];
        c += x * w2[i];
        d += x * w3[i];
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

static float dot(const float *in, const float *weights, uint32_t count) {
    float sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += in[i] * weights[i];
    }
    return sum;
}

bool run_fully_connected(const run_t *run, const void *body) {
    const format_fully_connected_t *arguments = body;
    const float *in = in_floats(run, arguments->in_address);
    float *out = out_floats(run, arguments->out_address);
    uint32_t inputs = arguments->in_channels, outputs = arguments->out_channels, i = 0;
    const float *bias = arguments->weights + (size_t)inputs * outputs;
    for (; i + 4 <= outputs; i += 4) {
        float sums[4];
        dot_four(in, arguments->weights + (size_t)i * inputs, inputs, sums);
        for (uint32_t j = 0; j < 4; j++) {
            out[i + j] = sums[j] + bias[i + j];
        }
    }
    for (; i < outputs; i++) {
        out[i] = dot(in, arguments->weights + (size_t)i * inputs, inputs) + bias[i];
    }
    activate(out, outputs, arguments->activation);
    return true;
}
