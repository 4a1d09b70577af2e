// What stands in a kmodel file of version 3, little-endian, all in 32-bit words but for a convolution's block.
//
// A file is: header, outputs, layer headers, one body for each layer. Sources: Kendryte standalone SDK,
// drivers/include/kpu.h (the layer arguments); nncase v0.1.0-rc5, NnCase.Converter.K210, Converters/Layers (float
// maximum pooling) and Stages/Generate/Generator.cs (the order, and that bodies are padded to 8 bytes).
#ifndef KMODEL_FORMAT_H
#define KMODEL_FORMAT_H

#include <stdint.h>

#define FORMAT_VERSION (3u)
#define FORMAT_ARCH_K210 (0u)
#define FORMAT_FLAG_EIGHT_BIT (1u)
// So many bytes may be missing at the end: nncase counts the padding after the last body, but does not write it.
#define FORMAT_PADDING (7u)
#define FORMAT_MAIN_MEMORY_OUT (1u) // of a convolution's flags

typedef struct {
    uint32_t version;
    uint32_t flags;
    uint32_t arch;
    uint32_t layers;
    uint32_t max_start_address;
    uint32_t main_memory;
    uint32_t outputs;
} format_header_t;

typedef struct {
    uint32_t address;
    uint32_t size;
} format_range_t;

typedef struct {
    uint32_t type;
    uint32_t body_size;
} format_layer_t;

enum {
    LAYER_ADD = 1,
    LAYER_QUANTIZED_ADD,
    LAYER_GLOBAL_MAX_POOL2D,
    LAYER_QUANTIZED_GLOBAL_MAX_POOL2D,
    LAYER_GLOBAL_AVERAGE_POOL2D,
    LAYER_QUANTIZED_GLOBAL_AVERAGE_POOL2D,
    LAYER_MAX_POOL2D,
    LAYER_QUANTIZED_MAX_POOL2D,
    LAYER_AVERAGE_POOL2D,
    LAYER_QUANTIZED_AVERAGE_POOL2D,
    LAYER_QUANTIZE,
    LAYER_DEQUANTIZE,
    LAYER_REQUANTIZE,
    LAYER_L2_NORMALIZATION,
    LAYER_SOFTMAX,
    LAYER_CONCAT,
    LAYER_QUANTIZED_CONCAT,
    LAYER_FULLY_CONNECTED,
    LAYER_QUANTIZED_FULLY_CONNECTED,
    LAYER_TENSORFLOW_FLATTEN,
    LAYER_QUANTIZED_TENSORFLOW_FLATTEN,
    LAYER_RESIZE_NEAREST_NEIGHBOR,
    LAYER_QUANTIZED_RESIZE_NEAREST_NEIGHBOR,
    LAYER_CHANNELWISE_DEQUANTIZE,
    LAYER_LOGISTIC,
    LAYER_K210_CONV = 10240,
    LAYER_K210_ADD_PADDING,
    LAYER_K210_REMOVE_PADDING,
    LAYER_K210_UPLOAD,
};

enum { ACTIVATION_LINEAR, ACTIVATION_RELU, ACTIVATION_RELU6 };

typedef struct {
    uint32_t width;
    uint32_t height;
    uint32_t channels;
} format_shape_t;

typedef struct {
    float scale;
    float bias;
} format_quantization_t;

// Addresses are bytes of main memory, offsets bytes of the file, unless said otherwise.

typedef struct {
    uint32_t flags;
    uint32_t out_address;
    uint32_t layer_offset;
    uint32_t weights_offset;
    uint32_t batchnorm_offset;
    uint32_t activation_offset;
} format_convolution_t;

typedef struct {
    uint32_t flags;
    uint32_t a_address;
    uint32_t b_address;
    uint32_t out_address;
    uint32_t count;
} format_add_t;

typedef struct {
    format_add_t add;
    int32_t a_offset, a_mul, a_shift;
    int32_t b_offset, b_mul, b_shift;
    int32_t out_offset, out_mul, out_shift;
} format_quantized_add_t;

typedef struct {
    uint32_t flags;
    uint32_t in_address;
    uint32_t out_address;
    uint32_t kernel_size; // cells of a channel
    uint32_t channels;
} format_global_pool_t;

typedef struct {
    uint32_t flags;
    uint32_t in_address;
    uint32_t out_address;
    format_shape_t in;
    format_shape_t out;
    uint32_t kernel_width, kernel_height;
    uint32_t stride_width, stride_height;
    uint32_t padding_width, padding_height;
} format_quantized_pool_t;

typedef struct {
    format_quantized_pool_t pool;
    uint32_t activation;
} format_pool_t;

// Flatten aside, what has one input, one output and one size. The size is of elements, or of channels.
typedef struct {
    uint32_t flags;
    uint32_t in_address;
    uint32_t out_address; // of K210 add padding: a line of KPU RAM
    uint32_t count;
} format_simple_t;

typedef struct {
    format_simple_t simple;
    format_quantization_t quantization;
} format_quantize_t;

typedef struct {
    format_simple_t simple;
    uint8_t table[256];
} format_requantize_t;

typedef struct {
    uint32_t flags;
    uint32_t in_address;
    uint32_t out_address;
    uint32_t channels;
    uint32_t channel_size;
    format_quantization_t quantization[]; // one a channel
} format_channelwise_dequantize_t;

typedef struct {
    uint32_t flags;
    uint32_t in_address;
    uint32_t out_line; // of KPU RAM
    format_shape_t shape;
} format_upload_t;

typedef struct {
    uint32_t flags;
    uint32_t out_address;
    uint32_t inputs;
    format_range_t input[];
} format_concat_t;

typedef struct {
    uint32_t flags;
    uint32_t in_address;
    uint32_t out_address;
    uint32_t in_channels;
    uint32_t out_channels;
    uint32_t activation;
    float weights[]; // [out][in], then a bias for each output channel
} format_fully_connected_t;

typedef struct {
    uint32_t flags;
    uint32_t in_address;
    uint32_t out_address;
    format_shape_t shape;
} format_flatten_t;

typedef struct {
    uint32_t flags;
    uint32_t in_address;
    uint32_t out_address;
    format_shape_t in;
    uint32_t out_width;
    uint32_t out_height;
    uint32_t align_corners;
} format_resize_t;

#endif // KMODEL_FORMAT_H
