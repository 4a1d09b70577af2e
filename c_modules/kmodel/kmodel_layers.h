// Between the files of this module: what each layer type brings, and what helps to judge and to run it.
#ifndef KMODEL_LAYERS_H
#define KMODEL_LAYERS_H

#include "kmodel.h"
#include "kmodel_format.h"

// Sizes that no network for this chip comes near. They bound what a damaged file can ask for.
#define JUDGE_MAX_LAYERS (4096)
#define JUDGE_MAX_OUTPUTS (256)
// Elements that the processor may touch, and lines of KPU RAM that convolutions may read, in one run: seconds.
#define JUDGE_MAX_STEPS (1ull << 26)
#define JUDGE_MAX_LINES (1ull << 30)

// Bytes `at` to `end` of a model: all of it, or the layer that was fetched last.
typedef struct {
    const uint8_t *bytes;
    uint32_t at;
    uint32_t end;
} part_t;

static inline const void *part_byte(const part_t *part, uint32_t offset) {
    return part->bytes + (offset - part->at);
}

// A model under judgement, at one of its layers.
typedef struct {
    part_t part;
    uint32_t size;
    uint32_t main_memory;
    bool eight_bit;
    bool shares; // refused because it uses bytes of others
    uint32_t layer;
    uint32_t type;
    uint32_t body_size;
    uint64_t steps; // so far, see JUDGE_MAX_STEPS
    uint64_t lines;
    kmodel_error_t *error;
} judge_t;

// What a range of main memory is to the layer.
typedef enum { ROLE_INPUT, ROLE_SECOND_INPUT, ROLE_OUTPUT } role_t;

typedef struct {
    uint64_t start;
    uint64_t end;
} span_t;

// Each judge_ function is true when all is well, else it has set judge->error.
bool judge_at_most(judge_t *judge, uint64_t value, uint64_t most, const char *what);
bool judge_at_least(judge_t *judge, uint64_t value, uint64_t least, const char *what);
bool judge_equal(judge_t *judge, uint64_t value, uint64_t wanted, const char *what);
bool judge_multiple(judge_t *judge, uint64_t value, uint32_t of, const char *what);
bool judge_body(judge_t *judge, uint64_t needed);
bool judge_steps(judge_t *judge, uint64_t steps);
// `count` elements of `element` bytes at `address`; not none.
bool judge_range(judge_t *judge, role_t role, uint32_t address, uint64_t count, uint32_t element, span_t *span);
// The output may be the input's very bytes only when `in_place`.
bool judge_apart(judge_t *judge, const span_t *in, const span_t *out, bool in_place);
bool judge_shape(judge_t *judge, const format_shape_t *shape);
bool judge_activation(judge_t *judge, uint32_t activation);

// Product that stops at a value beyond any memory's size instead of wrapping.
uint64_t product(uint64_t a, uint64_t b);
static inline uint64_t volume(const format_shape_t *shape) {
    return product(product(shape->width, shape->height), shape->channels);
}

// A run of a judged model.
typedef struct {
    const kmodel_t *model;
    const kmodel_kpu_t *kpu;
    uint8_t *main_memory;
    part_t part;
} run_t;

// Judging sees a body of at least body_size bytes, running one that was judged. Running is false when the backend
// stops.
typedef bool (*judge_layer_t)(judge_t *judge, const void *body);
typedef bool (*run_layer_t)(const run_t *run, const void *body);

typedef struct {
    uint32_t type;
    uint32_t body_size; // the least
    const char *name;
    judge_layer_t judge; // NULL: version 3 gives the type a number, but nobody ever gave it a body
    run_layer_t run;
} layer_kind_t;

// Layers one after the other: where each is, and what of it can be read.
typedef struct {
    const kmodel_t *model;
    uint32_t index;
    uint32_t type;
    uint32_t body_size; // without padding
    const void *body;
    part_t part;
    uint32_t next_at;
} layer_walk_t;

layer_walk_t layer_walk_start(const kmodel_t *model);
// Goes to the next layer, the first at first; false when the store gives up.
bool layer_walk_next(layer_walk_t *walk);
// judge.c: the layer that the walk is at.
bool judge_walked(judge_t *judge, const layer_walk_t *walk);

// NULL when there is no such type.
const layer_kind_t *layer_kind(uint32_t type);

// layout.c
void layout_upload(uint8_t *ram, const uint8_t *image, const kmodel_shape_t *shape);
bool layout_fits(judge_t *judge, const format_shape_t *shape, uint32_t line);
void copy_bytes(uint8_t *to, const uint8_t *from, size_t size);

// Little-endian words at addresses that are aligned to their size; the compiler makes each one load or store.
static inline uint64_t load64(const uint8_t *from) {
    uint64_t word;
    __builtin_memcpy(&word, __builtin_assume_aligned(from, 8), 8);
    return word;
}

static inline void store64(uint8_t *to, uint64_t word) {
    __builtin_memcpy(__builtin_assume_aligned(to, 8), &word, 8);
}

static inline bool aligned(const void *pointer, uint32_t to) {
    return ((uintptr_t)pointer & (to - 1)) == 0;
}

bool judge_input(judge_t *judge, kmodel_t *model, const void *body);
void activate(float *data, size_t count, uint32_t activation);

#define LAYER_FUNCTIONS(name)                                                                                          \
    bool judge_##name(judge_t *judge, const void *body);                                                               \
    bool run_##name(const run_t *run, const void *body)

// kpu_layers.c
LAYER_FUNCTIONS(convolution);
LAYER_FUNCTIONS(add_padding);
LAYER_FUNCTIONS(remove_padding);
LAYER_FUNCTIONS(upload);
// float_layers.c
LAYER_FUNCTIONS(add);
LAYER_FUNCTIONS(l2_normalization);
LAYER_FUNCTIONS(softmax);
LAYER_FUNCTIONS(logistic);
LAYER_FUNCTIONS(fully_connected);
// pool_layers.c
LAYER_FUNCTIONS(global_average_pool);
LAYER_FUNCTIONS(max_pool);
LAYER_FUNCTIONS(average_pool);
LAYER_FUNCTIONS(quantized_max_pool);
// quantized_layers.c
LAYER_FUNCTIONS(quantized_add);
LAYER_FUNCTIONS(quantize);
LAYER_FUNCTIONS(dequantize);
LAYER_FUNCTIONS(channelwise_dequantize);
LAYER_FUNCTIONS(requantize);
// moving_layers.c
LAYER_FUNCTIONS(concat);
LAYER_FUNCTIONS(flatten);
LAYER_FUNCTIONS(quantized_flatten);
LAYER_FUNCTIONS(resize);
LAYER_FUNCTIONS(quantized_resize);

#endif // KMODEL_LAYERS_H
