// Kernel models (kmodel files): judged once when they are loaded, then run in place.
//
// Portable C with nothing of MicroPython, of the chip or of an operating system in it; it allocates nothing
// and never writes to the model. What computes convolutions is handed in (kmodel_kpu_t): the KPU on a board, a
// model of it elsewhere. The machine must be little-endian, as all that is supported here are.
//
// Sources of the format, version 3: Kendryte standalone SDK, drivers/include/kpu.h and kpu.c; nncase
// v0.1.0-rc5 (NnCase.Converter.K210) and v0.2.0-beta4.
#ifndef KMODEL_H
#define KMODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a model has at its start, and what must be known to tell whether it is one.
#define KMODEL_HEADER_SIZE (28)
// Alignment that kmodel_load() wants of the model's first byte, and kmodel_run() of the main memory. nncase aligns what
// the KPU fetches within the file, activations to 256, and the vendor's demos align the file to as much.
#define KMODEL_ALIGNMENT (256)

#define KMODEL_KPU_RAM_SIZE (2u * 1024 * 1024)
#define KMODEL_KPU_LINE (64)
// Sizes of what a convolution fetches, besides its weights: per output channel, and once.
#define KMODEL_BATCHNORM_SIZE (8)
#define KMODEL_ACTIVATION_SIZE (144)
#define KMODEL_LAYER_WORDS (12)

typedef enum {
    KMODEL_OK,
    KMODEL_ERASED, // all bytes of the header are 0xff, as flash that holds nothing
    KMODEL_NOT_A_KMODEL,
    KMODEL_TRUNCATED, // has, needs
    KMODEL_UNSUPPORTED_VERSION, // needs: its version
    KMODEL_UNSUPPORTED_LAYER, // layer, type
    KMODEL_INVALID, // layer, type, what, has, needs
    KMODEL_STOPPED, // layer: the backend did not want to go on
} kmodel_status_t;

// Stands for a layer's number in an error that concerns the header.
#define KMODEL_NO_LAYER (0xffffffffu)

typedef struct {
    kmodel_status_t status;
    uint32_t layer; // counted from 0
    uint32_t type;
    uint64_t has;
    uint64_t needs;
    const char *what; // of KMODEL_INVALID: which rule is broken, a static text such as "weights end at byte # of the
                      // model, which has #": the first # stands for `has`, the second for `needs`
} kmodel_error_t;

// Writes the error as one sentence with its numbers and, where there is one, the next step; truncates like
// snprintf() and returns what that returns.
int kmodel_describe(const kmodel_error_t *error, char *text, size_t size);

// The name of a layer type, as "K210 convolution"; NULL when version 3 has none of that number.
const char *kmodel_layer_name(uint32_t type);

// What the first bytes tell before anything is allocated.
typedef struct {
    uint32_t version;
    bool eight_bit; // weights of 8 bits, else of 16
    uint32_t layers;
    uint32_t outputs;
    uint32_t main_memory; // bytes of work memory that a run needs
    uint32_t table_size; // bytes from the start of the file to the end of the layers' headers
    uint32_t size; // bytes of the whole model; 0 until kmodel_read_table()
    uint32_t padding; // bytes counted as part of the last layer that the file does not have, up to 7 (nncase v0.1
                      // writes files so)
    uint32_t largest_layer; // bytes of the largest layer; 0 until kmodel_read_table()
} kmodel_facts_t;

// Reads the header. `available` is the size of the file, or of the flash that may hold it. False with `error`
// set when it is no model, or one that cannot be run.
bool kmodel_read_header(
    const uint8_t header[KMODEL_HEADER_SIZE], size_t available, kmodel_facts_t *facts, kmodel_error_t *error);

// Reads `table`, the first facts->table_size bytes of the file: fills in facts->size and refuses layer types that
// are not supported, and a model that is longer than `available` by more than padding.
bool kmodel_read_table(const uint8_t *table, size_t available, kmodel_facts_t *facts, kmodel_error_t *error);

typedef struct {
    uint32_t width;
    uint32_t height;
    uint32_t channels;
} kmodel_shape_t;

// Where the layers of a model are that is not in memory as a whole.
typedef struct {
    void *context;
    // Bytes `at` to `at + size` of the model, `size` at most facts.largest_layer, at an address that leaves the same
    // remainder as `at` when it is divided by KMODEL_ALIGNMENT. They are used until the next call. NULL gives up.
    const uint8_t *(*fetch)(void *context, uint32_t at, uint32_t size);
} kmodel_store_t;

typedef struct {
    const uint8_t *bytes; // of a model with a store: its table only
    kmodel_store_t store; // without fetch() when the model is in memory
    kmodel_facts_t facts;
    kmodel_shape_t input; // bytes 0..255, channel by channel, row by row; of a model that starts with a
                          // fully connected layer: width 1, height 1, `channels` floats
    bool float_input;
    uint32_t input_address; // where the input goes in KPU RAM, in bytes; of a float input: in main memory
} kmodel_t;

// Judges the whole model: every layer's sizes, offsets, channel counts and KPU RAM addresses, so that
// kmodel_run() leaves neither the model, the main memory nor KPU RAM. `bytes` must stay, unchanged, at an address
// aligned to KMODEL_ALIGNMENT for as long as `model` is used. False with `error` set when something is wrong; then
// `model` is cleared.
bool kmodel_load(kmodel_t *model, const uint8_t *bytes, size_t size, kmodel_error_t *error);

// The same for a model that stays in a store: `table` has the first facts.table_size bytes of it, as for `bytes` above,
// `size` is that of the whole. Layers must use nothing outside of themselves. As what is in the store may change,
// kmodel_run() judges each layer again when it fetches it.
bool kmodel_load_stored(
    kmodel_t *model, const uint8_t *table, size_t size, const kmodel_store_t *store, kmodel_error_t *error);

// Of a model in a store, how many bytes from its first may stay in memory: the table, and as many whole layers as fit
// into `room` bytes with the largest of those after them, whose size is in `largest_other` then. `table` is as above,
// `facts` are from kmodel_read_table().
uint32_t kmodel_resident(const uint8_t *table, const kmodel_facts_t *facts, uint32_t room, uint32_t *largest_other);

// Where output `index` lies in the main memory, and its size in bytes (floats unless the model ends in
// quantized data). False when there is no such output.
bool kmodel_output(const kmodel_t *model, uint32_t index, uint32_t *address, uint32_t *size);

// A convolution's operands: inside the model, of these sizes.
typedef struct {
    const uint8_t *weights;
    const uint8_t *batchnorm;
    const uint8_t *activation;
    uint32_t weights_size;
    uint32_t batchnorm_size;
    uint32_t activation_size;
} kmodel_parameters_t;

// What executes the KPU's part. A function that returns false ends the run with KMODEL_STOPPED.
typedef struct {
    void *context;
    uint8_t *ram; // KMODEL_KPU_RAM_SIZE bytes, as the processor sees them; volatile to it only between calls
    // Called before each layer with its number and type; may be NULL.
    bool (*before_layer)(void *context, uint32_t layer, uint32_t type);
    // Puts an image of bytes into KPU RAM at byte `address`, in the layout for its width (see kmodel_row_layout()).
    // May be NULL: then it is written through `ram`.
    bool (*upload)(void *context, const uint8_t *image, const kmodel_shape_t *shape, uint32_t address);
    // Runs one layer. `words` is its argument block as in the file; the three addresses are the callee's to fill in
    // (bits 32..63 of words 4, 5 and 7: batch normalisation, weights, activation). With `output` not NULL the result
    // also goes there, `output_size` bytes, compact; otherwise it stays in KPU RAM.
    bool (*convolve)(void *context, const uint64_t words[KMODEL_LAYER_WORDS], bool eight_bit,
        const kmodel_parameters_t *parameters, uint8_t *output, uint32_t output_size);
} kmodel_kpu_t;

// Runs the model on `input` (model->input says what that is). `main_memory` has facts.main_memory bytes,
// aligned to KMODEL_ALIGNMENT; the outputs are in it afterwards. False with KMODEL_STOPPED in `error`
// when the backend or the store did not go on, with KMODEL_INVALID when the store has another model by now.
bool kmodel_run(
    const kmodel_t *model, const kmodel_kpu_t *kpu, uint8_t *main_memory, const void *input, kmodel_error_t *error);

// How rows of `width` bytes lie in KPU RAM: `group` channels share a line, `pitch` bytes apart, and a row takes
// `lines` lines. Source: nncase v1.9.0, runtime_op_utility.h.
typedef struct {
    uint32_t group;
    uint32_t pitch;
    uint32_t lines;
} kmodel_row_layout_t;

kmodel_row_layout_t kmodel_row_layout(uint32_t width);

// Bytes of KPU RAM that an image takes.
uint32_t kmodel_kpu_image_size(const kmodel_shape_t *shape);

#endif // KMODEL_H
