// Layers between bytes and floats, and of bytes alone. Semantics: Kendryte standalone SDK, drivers/kpu.c.
#include "kmodel_layers.h"

#define LEVELS (256)

bool judge_quantized_add(judge_t *judge, const void *body) {
    const format_quantized_add_t *arguments = body;
    const format_add_t *add = &arguments->add;
    const char *shift = "it shifts by #, at most # makes sense";
    span_t a, b, out;
    return judge_at_most(judge, (uint32_t)arguments->a_shift, 63, shift)
        && judge_at_most(judge, (uint32_t)arguments->b_shift, 63, shift)
        && judge_at_most(judge, (uint32_t)arguments->out_shift, 63, shift)
        && judge_range(judge, ROLE_INPUT, add->a_address, add->count, 1, &a)
        && judge_range(judge, ROLE_SECOND_INPUT, add->b_address, add->count, 1, &b)
        && judge_range(judge, ROLE_OUTPUT, add->out_address, add->count, 1, &out) && judge_apart(judge, &a, &out, true)
        && judge_apart(judge, &b, &out, true);
}

// 64 bits that wrap, as the SDK's do on the device.
static int64_t times(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static int64_t plus(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

// Ties go away from zero. Like the SDK and every nncase of the time, a negative value whose last bit goes out set loses
// one more than it should; models were tuned with that.
static int64_t carry_shift(int64_t value, int32_t shift) {
    if (shift == 0) {
        return value;
    }
    value >>= shift - 1;
    if ((value & 1) == 0) {
        return value >> 1;
    }
    return (value >> 1) + (value < 0 ? -1 : 1);
}

// The sums of inputs are shifted together when they can be, which rounds once.
bool run_quantized_add(const run_t *run, const void *body) {
    const format_quantized_add_t *arguments = body;
    const uint8_t *in_a = run->main_memory + arguments->add.a_address;
    const uint8_t *in_b = run->main_memory + arguments->add.b_address;
    uint8_t *out = run->main_memory + arguments->add.out_address;
    bool together = arguments->a_shift == arguments->b_shift;
    for (uint32_t i = 0; i < arguments->add.count; i++) {
        int64_t a = times((int64_t)in_a[i] + arguments->a_offset, arguments->a_mul);
        int64_t b = times((int64_t)in_b[i] + arguments->b_offset, arguments->b_mul);
        int64_t sum =
            together ? plus(a, b) >> arguments->a_shift : plus(a >> arguments->a_shift, b >> arguments->b_shift);
        int64_t value = plus(carry_shift(times(sum, arguments->out_mul), arguments->out_shift), arguments->out_offset);
        out[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
    return true;
}

static bool judge_conversion(judge_t *judge, const format_simple_t *simple, uint32_t in_element, uint32_t out_element) {
    span_t in, out;
    return judge_range(judge, ROLE_INPUT, simple->in_address, simple->count, in_element, &in)
        && judge_range(judge, ROLE_OUTPUT, simple->out_address, simple->count, out_element, &out)
        && judge_apart(judge, &in, &out, in_element == out_element);
}

bool judge_quantize(judge_t *judge, const void *body) {
    return judge_conversion(judge, body, sizeof(float), 1);
}

// To nearest, ties away from zero, as the SDK's roundf(); what is no number becomes 255, as on the chip, whose
// conversion to int makes the largest of it.
static uint8_t to_byte(float value) {
    if (value <= 0) {
        return 0;
    }
    if (!(value < 255)) {
        return 255;
    }
    uint32_t whole = (uint32_t)value;
    return (uint8_t)(whole + (value - (float)whole >= 0.5f));
}

bool run_quantize(const run_t *run, const void *body) {
    const format_quantize_t *arguments = body;
    const float *in = (const void *)(run->main_memory + arguments->simple.in_address);
    uint8_t *out = run->main_memory + arguments->simple.out_address;
    float bias = arguments->quantization.bias;
    float scale = 1.0f / arguments->quantization.scale;
    for (uint32_t i = 0; i < arguments->simple.count; i++) {
        out[i] = to_byte((in[i] - bias) * scale);
    }
    return true;
}

// The product is rounded before the sum on every machine: volatile keeps a compiler from fusing them.
static float level(uint32_t byte, const format_quantization_t *quantization) {
    volatile float scaled = (float)byte * quantization->scale;
    return scaled + quantization->bias;
}

// Eight bytes come with one access of slow memory, and an element costs no arithmetic. Not inline: in its caller the
// table would lie on the stack, whose pointer is added anew for each element.
__attribute__((noinline)) static void look_up(const uint8_t *in, float *out, size_t count, const float *table) {
    for (; count != 0 && !aligned(in, 8); count--) {
        *out++ = table[*in++];
    }
    for (; count >= 8; count -= 8, in += 8, out += 8) {
        uint64_t bytes = load64(in);
        float a = table[bytes & 255], b = table[bytes >> 8 & 255];
        float c = table[bytes >> 16 & 255], d = table[bytes >> 24 & 255];
        out[0] = a;
        out[1] = b;
        out[2] = c;
        out[3] = d;
        a = table[bytes >> 32 & 255];
        b = table[bytes >> 40 & 255];
        c = table[bytes >> 48 & 255];
        d = table[bytes >> 56];
        out[4] = a;
        out[5] = b;
        out[6] = c;
        out[7] = d;
    }
    for (; count != 0; count--) {
        *out++ = table[*in++];
    }
}

static void dequantize(const uint8_t *in, float *out, size_t count, const format_quantization_t *quantization) {
    if (count < LEVELS) {
        for (size_t i = 0; i < count; i++) {
            out[i] = level(in[i], quantization);
        }
        return;
    }
    float table[LEVELS];
    for (uint32_t i = 0; i < LEVELS; i++) {
        table[i] = level(i, quantization);
    }
    look_up(in, out, count, table);
}

bool judge_dequantize(judge_t *judge, const void *body) {
    return judge_conversion(judge, body, 1, sizeof(float));
}

bool run_dequantize(const run_t *run, const void *body) {
    const format_quantize_t *arguments = body;
    dequantize(run->main_memory + arguments->simple.in_address,
        (void *)(run->main_memory + arguments->simple.out_address), arguments->simple.count, &arguments->quantization);
    return true;
}

bool judge_channelwise_dequantize(judge_t *judge, const void *body) {
    const format_channelwise_dequantize_t *arguments = body;
    uint64_t count = product(arguments->channels, arguments->channel_size);
    span_t in, out;
    return judge_body(judge, sizeof(*arguments) + product(arguments->channels, sizeof(format_quantization_t)))
        && judge_range(judge, ROLE_INPUT, arguments->in_address, count, 1, &in)
        && judge_range(judge, ROLE_OUTPUT, arguments->out_address, count, sizeof(float), &out)
        && judge_apart(judge, &in, &out, false);
}

bool run_channelwise_dequantize(const run_t *run, const void *body) {
    const format_channelwise_dequantize_t *arguments = body;
    const uint8_t *in = run->main_memory + arguments->in_address;
    float *out = (void *)(run->main_memory + arguments->out_address);
    size_t size = arguments->channel_size;
    for (uint32_t channel = 0; channel < arguments->channels; channel++, in += size, out += size) {
        dequantize(in, out, size, &arguments->quantization[channel]);
    }
    return true;
}

bool judge_requantize(judge_t *judge, const void *body) {
    return judge_conversion(judge, body, 1, 1);
}

bool run_requantize(const run_t *run, const void *body) {
    const format_requantize_t *arguments = body;
    const uint8_t *table = arguments->table;
    const uint8_t *in = run->main_memory + arguments->simple.in_address;
    uint8_t *out = run->main_memory + arguments->simple.out_address;
    size_t count = arguments->simple.count;
    if (aligned(in, 8) && aligned(out, 8)) {
        for (; count >= 8; count -= 8, in += 8, out += 8) {
            uint64_t from = load64(in), to = 0;
            for (unsigned bit = 0; bit < 64; bit += 8) {
                to |= (uint64_t)table[from >> bit & 255] << bit;
            }
            store64(out, to);
        }
    }
    for (; count != 0; count--) {
        *out++ = table[*in++];
    }
    return true;
}
