// Convolutions, and what moves images between main memory and KPU RAM.
//
// Fields of a convolution's block: Kendryte standalone SDK, drivers/include/kpu.h, kpu_layer_argument_t; what they
// mean: nncase v0.1.0-rc5, NnCase.Converter.K210, Converters/Layers/K210Conv2d.cs.
#include "kmodel_layers.h"

#define DMA_UNIT (8) // bytes a transfer from the KPU's output FIFO

// Pools by their number: the stride of each; see arithmetic.py of the virtual board.
static const uint8_t pool_stride[] = {1, 2, 2, 4, 4, 2, 2, 4, 1, 1};

#define KPU_SIGNAL_BITS (0x6ull) // ram_flag, full_add: nothing known uses them, and full_add sends other data out
#define KPU_ODD_MODES (0x300ull) // first_stride, bypass_conv

typedef struct {
    uint32_t line, group, row_lines, channel_lines; // where it lies in KPU RAM
    uint32_t width, height, channels;
} kpu_image_t;

typedef struct {
    kpu_image_t in, out;
    bool depthwise;
    uint32_t kernel, pool;
    uint32_t outputs_a_load, loads, load_size;
    bool sends_out;
    uint64_t dma_size;
} kpu_block_t;

static uint32_t bits(uint64_t word, unsigned low, unsigned count) {
    return (uint32_t)(word >> low) & ((1u << count) - 1);
}

static void decode(kpu_block_t *block, const uint64_t *words) {
    *block = (kpu_block_t){
        .in = {bits(words[1], 0, 15), bits(words[7], 28, 3), bits(words[7], 16, 4), bits(words[7], 0, 15),
            bits(words[3], 0, 10) + 1, bits(words[3], 10, 9) + 1, bits(words[2], 0, 10) + 1},
        .out = {bits(words[1], 32, 15), bits(words[8], 20, 3), bits(words[8], 16, 4), bits(words[8], 0, 15),
            bits(words[3], 32, 10) + 1, bits(words[3], 42, 9) + 1, bits(words[2], 32, 10) + 1},
        .depthwise = bits(words[0], 3, 1),
        .kernel = bits(words[4], 0, 3),
        .pool = bits(words[4], 4, 4),
        .outputs_a_load = bits(words[2], 48, 10) + 1,
        .loads = bits(words[5], 1, 6) + 1,
        .load_size = bits(words[5], 15, 17),
        .sends_out = bits(words[11], 0, 1),
        .dma_size = (words[11] >> 32) + 1,
    };
}

static uint32_t bytes_an_output(const kpu_block_t *block, bool eight_bit) {
    return (block->depthwise ? 1 : block->in.channels) * (block->kernel == 1 ? 9 : 1) * (eight_bit ? 1 : 2);
}

static const uint64_t *block_words(const part_t *part, const format_convolution_t *arguments) {
    return part_byte(part, arguments->layer_offset);
}

static bool judge_image(judge_t *judge, const kpu_image_t *image, const char *outside) {
    if (image->group != 1 && image->group != 2) {
        if (!judge_equal(judge, image->group, 4, "# channels share a line of KPU RAM, only 1, 2 and # can")) {
            return false;
        }
    }
    uint32_t room = (image->group == 1 ? image->row_lines : 1) * KMODEL_KPU_LINE / image->group;
    uint64_t groups = (image->channels + image->group - 1) / image->group;
    uint64_t lines = (groups - 1) * image->channel_lines + (uint64_t)image->row_lines * image->height;
    return judge_at_least(judge, image->row_lines, 1, "a row takes # lines of KPU RAM, at least # is needed")
        && judge_at_most(judge, image->width, room, "a row has # bytes, the place for it in KPU RAM has #")
        && judge_at_most(judge, (image->line + lines) * KMODEL_KPU_LINE, KMODEL_KPU_RAM_SIZE, outside);
}

// Sizes of the result follow from the pool, rounded down.
static bool judge_pool(judge_t *judge, const kpu_block_t *block) {
    if (!judge_at_most(judge, block->pool, sizeof(pool_stride) - 1, "its pooling mode is #, the highest known is #")) {
        return false;
    }
    uint32_t stride = pool_stride[block->pool];
    return judge_equal(
               judge, block->out.width, block->in.width / stride, "rows of the output are # wide, pooling leaves #")
        && judge_equal(judge, block->out.height, block->in.height / stride, "the output is # high, pooling leaves #");
}

// Weights come in equal portions, but for the last.
static bool judge_loads(judge_t *judge, const kpu_block_t *block) {
    uint32_t portions = (block->out.channels + block->outputs_a_load - 1) / block->outputs_a_load;
    uint32_t size = block->outputs_a_load * bytes_an_output(block, judge->eight_bit);
    return judge_equal(judge, block->loads, portions, "weights are loaded # times, the channels make it #")
        && judge_equal(judge, block->load_size, size, "a load of weights has # bytes, the channels make it #");
}

static bool judge_block(judge_t *judge, const kpu_block_t *block, const uint64_t *words) {
    if (!judge_equal(judge, words[0] & KPU_SIGNAL_BITS, 0, "the KPU's first argument has the unknown bits #, not #")
        || !judge_equal(judge, words[4] & KPU_ODD_MODES, 0, "the KPU's fifth argument has the unknown bits #, not #")
        || !judge_equal(judge, block->sends_out, 0, "send_data_out is #, in a file it is #")
        || !judge_at_most(judge, block->kernel, 1, "its kernel type is #, the highest known is #")) {
        return false;
    }
    if (block->depthwise
        && !judge_equal(judge, block->out.channels, block->in.channels, "it makes # channels, depthwise, out of #")) {
        return false;
    }
    uint64_t groups = (block->in.channels + block->in.group - 1) / (block->in.group ? block->in.group : 1);
    judge->lines +=
        product(groups * block->in.height * block->in.row_lines, block->depthwise ? 1 : block->out.channels);
    return judge_image(judge, &block->in, "the input ends at byte # of KPU RAM, which has #")
        && judge_image(judge, &block->out, "the output ends at byte # of KPU RAM, which has #")
        && judge_pool(judge, block) && judge_loads(judge, block)
        && judge_at_most(judge, judge->lines, JUDGE_MAX_LINES,
            "up to here convolutions read # lines, more than # would take too long");
}

// Whether a layer uses nothing outside of what of the model can be read while it is run.
static bool judge_alone(judge_t *judge, uint32_t offset, uint64_t size) {
    bool alone = judge_at_least(judge, offset, judge->part.at,
                     "it uses byte # of the model, before its own first, #: that takes a model that is in memory as a "
                     "whole")
        && judge_at_most(judge, offset + size, judge->part.end,
            "it uses the model up to byte #, its own end at #: that takes a model that is in memory as a whole");
    judge->shares = !alone;
    return alone;
}

static bool judge_parameters(
    judge_t *judge, uint32_t offset, uint64_t size, const char *misaligned, const char *outside) {
    return judge_multiple(judge, offset, sizeof(uint64_t), misaligned)
        && judge_at_most(judge, offset + size, judge->size, outside) && judge_alone(judge, offset, size);
}

// The DMA controller moves whole units: the last may carry bytes beyond the output.
static bool judge_main_memory_out(judge_t *judge, const kpu_block_t *block, uint32_t address) {
    uint64_t size = (uint64_t)block->out.width * block->out.height * block->out.channels;
    span_t span;
    return judge_equal(judge, block->dma_size, size, "it sends # bytes out, the output has #")
        && judge_range(judge, ROLE_OUTPUT, address, (size + DMA_UNIT - 1) / DMA_UNIT * DMA_UNIT, 1, &span);
}

bool judge_convolution(judge_t *judge, const void *body) {
    const format_convolution_t *arguments = body;
    if (!judge_parameters(judge, arguments->layer_offset, KMODEL_LAYER_WORDS * sizeof(uint64_t),
            "the KPU's arguments lie at byte # of the model, no multiple of #",
            "the KPU's arguments end at byte # of the model, which has #")) {
        return false;
    }
    const uint64_t *words = block_words(&judge->part, arguments);
    kpu_block_t block;
    decode(&block, words);
    return judge_block(judge, &block, words)
        && judge_parameters(judge, arguments->weights_offset,
            product(block.out.channels, bytes_an_output(&block, judge->eight_bit)),
            "weights lie at byte # of the model, no multiple of #", "weights end at byte # of the model, which has #")
        && judge_parameters(judge, arguments->batchnorm_offset, block.out.channels * KMODEL_BATCHNORM_SIZE,
            "batch normalisation lies at byte # of the model, no multiple of #",
            "batch normalisation ends at byte # of the model, which has #")
        && judge_parameters(judge, arguments->activation_offset, KMODEL_ACTIVATION_SIZE,
            "the activation lies at byte # of the model, no multiple of #",
            "the activation ends at byte # of the model, which has #")
        && (!(arguments->flags & FORMAT_MAIN_MEMORY_OUT)
            || judge_main_memory_out(judge, &block, arguments->out_address));
}

bool judge_input(judge_t *judge, kmodel_t *model, const void *body) {
    kpu_block_t block;
    decode(&block, block_words(&judge->part, body));
    model->float_input = false;
    model->input = (kmodel_shape_t){block.in.width, block.in.height, block.in.channels};
    model->input_address = block.in.line * KMODEL_KPU_LINE;
    return layout_fits(judge, &(format_shape_t){block.in.width, block.in.height, block.in.channels}, block.in.line);
}

bool run_convolution(const run_t *run, const void *body) {
    const format_convolution_t *arguments = body;
    const kmodel_t *model = run->model;
    const uint64_t *words = block_words(&run->part, arguments);
    kpu_block_t block;
    decode(&block, words);
    kmodel_parameters_t parameters = {
        .weights = part_byte(&run->part, arguments->weights_offset),
        .batchnorm = part_byte(&run->part, arguments->batchnorm_offset),
        .activation = part_byte(&run->part, arguments->activation_offset),
        .weights_size = block.out.channels * bytes_an_output(&block, model->facts.eight_bit),
        .batchnorm_size = block.out.channels * KMODEL_BATCHNORM_SIZE,
        .activation_size = KMODEL_ACTIVATION_SIZE,
    };
    bool out = arguments->flags & FORMAT_MAIN_MEMORY_OUT;
    return run->kpu->convolve(run->kpu->context, words, model->facts.eight_bit, &parameters,
        out ? run->main_memory + arguments->out_address : NULL, out ? (uint32_t)block.dma_size : 0);
}

// One cell a channel, in images of 4 x 4: the least that the KPU convolves. The cells around it do not matter.
#define PADDED_SIDE (4)

bool judge_add_padding(judge_t *judge, const void *body) {
    const format_simple_t *arguments = body;
    format_shape_t shape = {PADDED_SIDE, PADDED_SIDE, arguments->count};
    span_t in;
    return judge_range(judge, ROLE_INPUT, arguments->in_address, arguments->count, 1, &in)
        && layout_fits(judge, &shape, arguments->out_address);
}

bool run_add_padding(const run_t *run, const void *body) {
    const format_simple_t *arguments = body;
    const uint8_t *in = run->main_memory + arguments->in_address;
    uint8_t *out = run->kpu->ram + (size_t)arguments->out_address * KMODEL_KPU_LINE;
    kmodel_row_layout_t layout = kmodel_row_layout(PADDED_SIDE);
    for (uint32_t i = 0; i < arguments->count; i++) {
        out[i / layout.group * PADDED_SIDE * KMODEL_KPU_LINE + i % layout.group * layout.pitch] = in[i];
    }
    return true;
}

bool judge_remove_padding(judge_t *judge, const void *body) {
    const format_simple_t *arguments = body;
    span_t in, out;
    uint64_t cells = (uint64_t)arguments->count * PADDED_SIDE * PADDED_SIDE;
    return judge_range(judge, ROLE_OUTPUT, arguments->out_address, arguments->count, 1, &out)
        && judge_range(judge, ROLE_INPUT, arguments->in_address, cells, 1, &in) && judge_apart(judge, &in, &out, false);
}

bool run_remove_padding(const run_t *run, const void *body) {
    const format_simple_t *arguments = body;
    const uint8_t *in = run->main_memory + arguments->in_address;
    uint8_t *out = run->main_memory + arguments->out_address;
    for (uint32_t i = 0; i < arguments->count; i++) {
        out[i] = in[(size_t)i * PADDED_SIDE * PADDED_SIDE];
    }
    return true;
}

bool judge_upload(judge_t *judge, const void *body) {
    const format_upload_t *arguments = body;
    span_t in;
    return judge_shape(judge, &arguments->shape)
        && judge_range(judge, ROLE_INPUT, arguments->in_address, volume(&arguments->shape), 1, &in)
        && layout_fits(judge, &arguments->shape, arguments->out_line);
}

bool run_upload(const run_t *run, const void *body) {
    const format_upload_t *arguments = body;
    const kmodel_kpu_t *kpu = run->kpu;
    const uint8_t *image = run->main_memory + arguments->in_address;
    kmodel_shape_t shape = {arguments->shape.width, arguments->shape.height, arguments->shape.channels};
    uint32_t address = arguments->out_line * KMODEL_KPU_LINE;
    if (kpu->upload != NULL) {
        return kpu->upload(kpu->context, image, &shape, address);
    }
    layout_upload(kpu->ram + address, image, &shape);
    return true;
}
