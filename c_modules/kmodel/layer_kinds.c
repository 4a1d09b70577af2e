// The layer types of version 3. Those without functions have a number in the SDK's kpu.h, but neither the SDK nor any
// nncase converter defines what their bodies hold.
#include "kmodel_layers.h"

#define KIND(type, body, name, function) {type, sizeof(body), name, judge_##function, run_##function}
#define NO_BODY(type, name) {type, 0, name, NULL, NULL}

static const layer_kind_t kinds[] = {
    KIND(LAYER_ADD, format_add_t, "add", add),
    KIND(LAYER_QUANTIZED_ADD, format_quantized_add_t, "quantized add", quantized_add),
    NO_BODY(LAYER_GLOBAL_MAX_POOL2D, "global max pool"),
    NO_BODY(LAYER_QUANTIZED_GLOBAL_MAX_POOL2D, "quantized global max pool"),
    KIND(LAYER_GLOBAL_AVERAGE_POOL2D, format_global_pool_t, "global average pool", global_average_pool),
    NO_BODY(LAYER_QUANTIZED_GLOBAL_AVERAGE_POOL2D, "quantized global average pool"),
    KIND(LAYER_MAX_POOL2D, format_pool_t, "max pool", max_pool),
    KIND(LAYER_QUANTIZED_MAX_POOL2D, format_quantized_pool_t, "quantized max pool", quantized_max_pool),
    KIND(LAYER_AVERAGE_POOL2D, format_pool_t, "average pool", average_pool),
    NO_BODY(LAYER_QUANTIZED_AVERAGE_POOL2D, "quantized average pool"),
    KIND(LAYER_QUANTIZE, format_quantize_t, "quantize", quantize),
    KIND(LAYER_DEQUANTIZE, format_quantize_t, "dequantize", dequantize),
    KIND(LAYER_REQUANTIZE, format_requantize_t, "requantize", requantize),
    KIND(LAYER_L2_NORMALIZATION, format_simple_t, "L2 normalization", l2_normalization),
    KIND(LAYER_SOFTMAX, format_simple_t, "softmax", softmax),
    KIND(LAYER_CONCAT, format_concat_t, "concat", concat),
    KIND(LAYER_QUANTIZED_CONCAT, format_concat_t, "quantized concat", concat),
    KIND(LAYER_FULLY_CONNECTED, format_fully_connected_t, "fully connected", fully_connected),
    NO_BODY(LAYER_QUANTIZED_FULLY_CONNECTED, "quantized fully connected"),
    KIND(LAYER_TENSORFLOW_FLATTEN, format_flatten_t, "TensorFlow flatten", flatten),
    // No converter writes it; the SDK has its number beside the float one, whose body it shares.
    KIND(LAYER_QUANTIZED_TENSORFLOW_FLATTEN, format_flatten_t, "quantized TensorFlow flatten", quantized_flatten),
    KIND(LAYER_RESIZE_NEAREST_NEIGHBOR, format_resize_t, "resize nearest neighbor", resize),
    KIND(LAYER_QUANTIZED_RESIZE_NEAREST_NEIGHBOR, format_resize_t, "quantized resize nearest neighbor",
        quantized_resize),
    KIND(LAYER_CHANNELWISE_DEQUANTIZE, format_channelwise_dequantize_t, "channelwise dequantize",
        channelwise_dequantize),
    KIND(LAYER_LOGISTIC, format_simple_t, "logistic", logistic),
    KIND(LAYER_K210_CONV, format_convolution_t, "K210 convolution", convolution),
    KIND(LAYER_K210_ADD_PADDING, format_simple_t, "K210 add padding", add_padding),
    KIND(LAYER_K210_REMOVE_PADDING, format_simple_t, "K210 remove padding", remove_padding),
    KIND(LAYER_K210_UPLOAD, format_upload_t, "K210 upload", upload),
};

const layer_kind_t *layer_kind(uint32_t type) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].type == type) {
            return &kinds[i];
        }
    }
    return NULL;
}

const char *kmodel_layer_name(uint32_t type) {
    const layer_kind_t *kind = layer_kind(type);
    return kind != NULL ? kind->name : NULL;
}
