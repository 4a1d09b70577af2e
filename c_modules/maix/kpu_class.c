// Class maix.KPU: a model, and what is made of its output. Names and defaults: kendryte/canmv_docs, maix.KPU.

#include <math.h>
#include <string.h>

#include "py/mperrno.h"
#include "py/runtime.h"

#include "k210_flash.h"
#include "kpu_backend.h"
#include "kpu_class.h"
#include "loaded_model.h"
#include "model_source.h"
#include "net_input.h"
#include "plate_layer.h"
#include "region_layer.h"

#define MOST_FEATURES (256)

typedef struct {
    mp_obj_base_t base;
    loaded_model_t loaded;
    bool has_output;
    bool has_region_layer;
    region_layer_t region_layer;
    float *plate_weights; // NULL when not loaded
} kpu_obj_t;

// ---- The model

static mp_obj_t kpu_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)args;
    mp_arg_check_num(n_args, n_kw, 0, 0, false);
    kpu_obj_t *self = mp_obj_malloc(kpu_obj_t, type);
    mp_obj_base_t base = self->base;
    *self = (kpu_obj_t){.base = base};
    return MP_OBJ_FROM_PTR(self);
}

static void kpu_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    kpu_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->loaded.model.bytes == NULL) {
        mp_printf(print, "KPU(no model)");
        return;
    }
    const kmodel_t *model = &self->loaded.model;
    unsigned streamed = (unsigned)(model->facts.size - self->loaded.resident);
    mp_printf(print, "KPU(kmodel version %u, %u bytes, ", (unsigned)model->facts.version, (unsigned)model->facts.size);
    if (streamed != 0) {
        mp_printf(print, "%u of them streamed, ", streamed);
    }
    mp_printf(print, "input %ux%ux%u, %u layers, %u outputs)", (unsigned)model->input.channels,
        (unsigned)model->input.height, (unsigned)model->input.width, (unsigned)model->facts.layers,
        (unsigned)model->facts.outputs);
}

static void refuse_while_running(void) {
    if (kpu_backend_busy()) {
        k210_raise_os_error(MP_EBUSY, "the KPU runs a model");
    }
}

static void unload(kpu_obj_t *self) {
    self->has_output = false;
    loaded_model_unload(&self->loaded);
}

// load_kmodel(path, streamed=None) or load_kmodel(offset, size, streamed=None)
static mp_obj_t kpu_load_kmodel(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_path, ARG_size, ARG_streamed };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_path, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_size, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_streamed, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    kpu_obj_t *self = MP_OBJ_TO_PTR(pos_args[0]);
    refuse_while_running();
    loaded_model_load(&self->loaded, args[ARG_path].u_obj, args[ARG_size].u_obj, args[ARG_streamed].u_obj);
    self->has_output = false;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(kpu_load_kmodel_obj, 1, kpu_load_kmodel);

// deinit(): gives the memory back, now. Without it the collector does, once nothing refers to the object.
static mp_obj_t kpu_deinit(mp_obj_t self_in) {
    kpu_obj_t *self = MP_OBJ_TO_PTR(self_in);
    refuse_while_running();
    unload(self);
    m_del(float, self->plate_weights, PLATE_WEIGHTS_SIZE / sizeof(float));
    self->plate_weights = NULL;
    if (self->has_region_layer) {
        m_del(float, (float *)self->region_layer.anchors, 2 * self->region_layer.anchor_count);
        self->has_region_layer = false;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(kpu_deinit_obj, kpu_deinit);

// ---- Running it

static void need_model(const kpu_obj_t *self) {
    if (self->loaded.model.bytes == NULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("no model is loaded: call load_kmodel() first"));
    }
}

// The first output, as floats.
static const float *output_of(const kpu_obj_t *self, uint32_t *count) {
    uint32_t address, size;
    need_model(self);
    if (!self->has_output) {
        mp_raise_ValueError(MP_ERROR_TEXT("the model has not run: call run_with_output() first"));
    }
    kmodel_output(&self->loaded.model, 0, &address, &size);
    *count = size / sizeof(float);
    return (const float *)(self->loaded.main_memory + address);
}

static mp_obj_t list_of(const float *values, uint32_t count) {
    mp_obj_list_t *list = MP_OBJ_TO_PTR(mp_obj_new_list(count, NULL));
    for (uint32_t i = 0; i < count; i++) {
        list->items[i] = mp_const_none; // a collection may look through it before it is filled
    }
    for (uint32_t i = 0; i < count; i++) {
        list->items[i] = mp_obj_new_float((mp_float_t)values[i]);
    }
    return MP_OBJ_FROM_PTR(list);
}

static mp_obj_t normalised(const float *values, uint32_t count) {
    float scaled[MOST_FEATURES], sum = 0;
    if (count > MOST_FEATURES) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("the output has %u numbers, a feature at most %d"),
            (unsigned)count, MOST_FEATURES);
    }
    for (uint32_t i = 0; i < count; i++) {
        sum += values[i] * values[i];
    }
    float length = sqrtf(sum);
    for (uint32_t i = 0; i < count; i++) {
        scaled[i] = length > 0 ? values[i] / length : 0;
    }
    return list_of(scaled, count);
}

static void run(kpu_obj_t *self, mp_obj_t input) {
    dma_memory_t memory;
    kmodel_error_t error;
    const uint8_t *planes = net_input_find(&self->loaded.model, input, &memory);
    self->has_output = false;
    if (!kpu_backend_run(&self->loaded.model, self->loaded.main_memory, planes, &error)) {
        loaded_model_raise(&error);
    }
    self->has_output = true;
    dma_memory_free(&memory);
}

// run_with_output(input, getlist=False, get_feature=False)
static mp_obj_t kpu_run_with_output(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_input, ARG_getlist, ARG_get_feature };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_input, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_getlist, MP_ARG_BOOL, {.u_bool = false}},
        {MP_QSTR_get_feature, MP_ARG_BOOL, {.u_bool = false}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    kpu_obj_t *self = MP_OBJ_TO_PTR(pos_args[0]);
    need_model(self);
    run(self, args[ARG_input].u_obj);
    uint32_t count;
    const float *output = output_of(self, &count);
    if (args[ARG_getlist].u_bool) {
        return list_of(output, count);
    }
    return args[ARG_get_feature].u_bool ? normalised(output, count) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(kpu_run_with_output_obj, 1, kpu_run_with_output);

// ---- YOLOv2

static float part_argument(mp_obj_t value, float otherwise, const char *name) {
    float part = value == mp_const_none ? otherwise : (float)mp_obj_get_float(value);
    if (!(part >= 0 && part <= 1)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s=%f is not between 0 and 1"), name, (double)part);
    }
    return part;
}

static uint32_t count_argument(mp_int_t value, mp_int_t least, const char *name) {
    if (value < least || value > 65535) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("%s=%d is not between %d and 65535"), name, (int)value, (int)least);
    }
    return (uint32_t)value;
}

static float *anchors_of(mp_obj_t sequence, uint32_t anchor_count) {
    size_t count;
    mp_obj_t *items;
    mp_obj_get_array(sequence, &count, &items);
    if (count != 2 * (size_t)anchor_count) {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("anchor has %u numbers, anchor_num=%u wants %u: a width and a height each"), (unsigned)count,
            (unsigned)anchor_count, 2 * (unsigned)anchor_count);
    }
    float *anchors = m_new(float, count);
    for (size_t i = 0; i < count; i++) {
        anchors[i] = (float)mp_obj_get_float(items[i]);
    }
    return anchors;
}

static void check_grid(const kpu_obj_t *self, const region_layer_t *layer) {
    uint32_t address, size;
    if (self->loaded.model.bytes == NULL) {
        return;
    }
    kmodel_output(&self->loaded.model, 0, &address, &size);
    if (region_layer_output_count(layer) * sizeof(float) != size) {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT(
                "layer_w=%u, layer_h=%u, anchor_num=%u, classes=%u make %u numbers, the model's output has %u"),
            (unsigned)layer->layer_width, (unsigned)layer->layer_height, (unsigned)layer->anchor_count,
            (unsigned)layer->classes, (unsigned)region_layer_output_count(layer), (unsigned)(size / sizeof(float)));
    }
}

static mp_obj_t kpu_init_yolo2(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_anchor,
        ARG_anchor_num,
        ARG_img_w,
        ARG_img_h,
        ARG_net_w,
        ARG_net_h,
        ARG_layer_w,
        ARG_layer_h,
        ARG_threshold,
        ARG_nms_value,
        ARG_classes
    };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_anchor, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_anchor_num, MP_ARG_INT, {.u_int = 5}},
        {MP_QSTR_img_w, MP_ARG_INT, {.u_int = 320}},
        {MP_QSTR_img_h, MP_ARG_INT, {.u_int = 240}},
        {MP_QSTR_net_w, MP_ARG_INT, {.u_int = 320}},
        {MP_QSTR_net_h, MP_ARG_INT, {.u_int = 240}},
        {MP_QSTR_layer_w, MP_ARG_INT, {.u_int = 10}},
        {MP_QSTR_layer_h, MP_ARG_INT, {.u_int = 8}},
        {MP_QSTR_threshold, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_nms_value, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_classes, MP_ARG_INT, {.u_int = 1}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    kpu_obj_t *self = MP_OBJ_TO_PTR(pos_args[0]);
    region_layer_t layer = {
        .anchor_count = count_argument(args[ARG_anchor_num].u_int, 1, "anchor_num"),
        .image_width = count_argument(args[ARG_img_w].u_int, 1, "img_w"),
        .image_height = count_argument(args[ARG_img_h].u_int, 1, "img_h"),
        .net_width = count_argument(args[ARG_net_w].u_int, 1, "net_w"),
        .net_height = count_argument(args[ARG_net_h].u_int, 1, "net_h"),
        .layer_width = count_argument(args[ARG_layer_w].u_int, 1, "layer_w"),
        .layer_height = count_argument(args[ARG_layer_h].u_int, 1, "layer_h"),
        .threshold = part_argument(args[ARG_threshold].u_obj, 0.7f, "threshold"),
        .nms = part_argument(args[ARG_nms_value].u_obj, 0.4f, "nms_value"),
        .classes = count_argument(args[ARG_classes].u_int, 0, "classes"),
    };
    check_grid(self, &layer);
    layer.anchors = anchors_of(args[ARG_anchor].u_obj, layer.anchor_count);
    self->region_layer = layer;
    self->has_region_layer = true;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(kpu_init_yolo2_obj, 1, kpu_init_yolo2);

static mp_obj_t box_as_list(const region_box_t *box) {
    mp_obj_t items[] = {
        mp_obj_new_int_from_uint(box->x),
        mp_obj_new_int_from_uint(box->y),
        mp_obj_new_int_from_uint(box->w),
        mp_obj_new_int_from_uint(box->h),
        mp_obj_new_int_from_uint(box->class_index),
        mp_obj_new_float((mp_float_t)box->probability),
    };
    return mp_obj_new_list(MP_ARRAY_SIZE(items), items);
}

// regionlayer_yolo2(): a list of [x, y, w, h, class, probability].
static mp_obj_t kpu_regionlayer_yolo2(mp_obj_t self_in) {
    kpu_obj_t *self = MP_OBJ_TO_PTR(self_in);
    uint32_t count;
    if (!self->has_region_layer) {
        mp_raise_ValueError(MP_ERROR_TEXT("the region layer is not set up: call init_yolo2() first"));
    }
    const region_layer_t *layer = &self->region_layer;
    const float *output = output_of(self, &count);
    check_grid(self, layer);
    mp_obj_t result = mp_obj_new_list(0, NULL);
    uint32_t candidates = region_layer_candidates(layer, output);
    size_t floats = (size_t)region_layer_workspace(layer, candidates);
    float *workspace = m_new(float, floats);
    region_box_t *boxes = m_new(region_box_t, candidates);
    count = region_layer_run(layer, output, candidates, workspace, boxes);
    for (uint32_t i = 0; i < count; i++) {
        mp_obj_list_append(result, box_as_list(&boxes[i]));
    }
    m_del(region_box_t, boxes, candidates);
    m_del(float, workspace, floats);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_1(kpu_regionlayer_yolo2_obj, kpu_regionlayer_yolo2);

// ---- On the class or on an object: KPU.sigmoid(x), kpu.sigmoid(x)

static mp_obj_t kpu_sigmoid(mp_obj_t x_in) {
    float x = (float)mp_obj_get_float(x_in);
    return mp_obj_new_float((mp_float_t)(1.f / (1.f + expf(-x))));
}
static MP_DEFINE_CONST_FUN_OBJ_1(kpu_sigmoid_function, kpu_sigmoid);
static MP_DEFINE_CONST_STATICMETHOD_OBJ(kpu_sigmoid_obj, MP_ROM_PTR(&kpu_sigmoid_function));

static float *floats_of(mp_obj_t sequence, size_t *count) {
    mp_obj_t *items;
    mp_obj_get_array(sequence, count, &items);
    float *values = m_new(float, *count);
    for (size_t i = 0; i < *count; i++) {
        values[i] = (float)mp_obj_get_float(items[i]);
    }
    return values;
}

static mp_obj_t kpu_softmax(mp_obj_t list) {
    size_t count;
    float *values = floats_of(list, &count), largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmaxf(largest, values[i]);
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = expf(values[i] - largest);
        sum += values[i];
    }
    for (size_t i = 0; i < count; i++) {
        values[i] /= sum;
    }
    mp_obj_t result = list_of(values, (uint32_t)count);
    m_del(float, values, count);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_1(kpu_softmax_function, kpu_softmax);
static MP_DEFINE_CONST_STATICMETHOD_OBJ(kpu_softmax_obj, MP_ROM_PTR(&kpu_softmax_function));

// feature_compare(a, b): 100 for the same direction, 50 for perpendicular ones, 0 for opposite ones.
static mp_obj_t kpu_feature_compare(mp_obj_t first, mp_obj_t second) {
    size_t count, other_count;
    float *a = floats_of(first, &count), *b = floats_of(second, &other_count), dot = 0;
    if (count != other_count) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("the features have %u and %u numbers"), (unsigned)count,
            (unsigned)other_count);
    }
    for (size_t i = 0; i < count; i++) {
        dot += a[i] * b[i];
    }
    m_del(float, a, count);
    m_del(float, b, count);
    return mp_obj_new_float((0.5 + 0.5 * (mp_float_t)dot) * 100);
}
static MP_DEFINE_CONST_FUN_OBJ_2(kpu_feature_compare_function, kpu_feature_compare);
static MP_DEFINE_CONST_STATICMETHOD_OBJ(kpu_feature_compare_obj, MP_ROM_PTR(&kpu_feature_compare_function));

// ---- Licence plates

static void load_plate_weights(kpu_obj_t *self, const model_source_t *source) {
    if (source->size != PLATE_WEIGHTS_SIZE) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("weights of plates have %d bytes, not %u"),
            PLATE_WEIGHTS_SIZE, (unsigned)source->size);
    }
    float *weights = m_new(float, PLATE_WEIGHTS_SIZE / sizeof(float));
    model_source_read(source, 0, (uint8_t *)weights, PLATE_WEIGHTS_SIZE);
    self->plate_weights = weights;
}

// lp_recog_load_weight_data(path) or lp_recog_load_weight_data(offset, size)
static mp_obj_t kpu_lp_recog_load_weight_data(size_t n_args, const mp_obj_t *args) {
    kpu_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    model_source_t source = model_source_open(args[1], n_args == 3 ? args[2] : mp_const_none);
    m_del(float, self->plate_weights, PLATE_WEIGHTS_SIZE / sizeof(float));
    self->plate_weights = NULL;
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0) {
        model_source_close(&source);
        nlr_jump(nlr.ret_val);
    }
    load_plate_weights(self, &source);
    nlr_pop();
    model_source_close(&source);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(kpu_lp_recog_load_weight_data_obj, 2, 3, kpu_lp_recog_load_weight_data);

// lp_recog(): for each of the seven places a tuple with a number for every character that may stand there.
static mp_obj_t kpu_lp_recog(mp_obj_t self_in) {
    kpu_obj_t *self = MP_OBJ_TO_PTR(self_in);
    uint32_t count;
    if (self->plate_weights == NULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("no weights of plates are loaded: call lp_recog_load_weight_data() first"));
    }
    const float *output = output_of(self, &count);
    if (count != PLATE_CHARACTERS * PLATE_FEATURES) {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("the model's output has %u numbers, one for plates has %u"), (unsigned)count,
            PLATE_CHARACTERS * PLATE_FEATURES);
    }
    float *features = m_new(float, count); // the output itself is not cached
    memcpy(features, output, count * sizeof(float));
    mp_obj_t result = mp_obj_new_list(0, NULL);
    for (unsigned character = 0; character < PLATE_CHARACTERS; character++) {
        float results[UINT8_MAX];
        plate_layer_run(features, self->plate_weights, character, results);
        mp_obj_list_t *values = MP_OBJ_TO_PTR(list_of(results, plate_results[character]));
        mp_obj_list_append(result, mp_obj_new_tuple(values->len, values->items));
    }
    m_del(float, features, count);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_1(kpu_lp_recog_obj, kpu_lp_recog);

static const mp_rom_map_elem_t kpu_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_load_kmodel), MP_ROM_PTR(&kpu_load_kmodel_obj)},
    {MP_ROM_QSTR(MP_QSTR_run_with_output), MP_ROM_PTR(&kpu_run_with_output_obj)},
    {MP_ROM_QSTR(MP_QSTR_init_yolo2), MP_ROM_PTR(&kpu_init_yolo2_obj)},
    {MP_ROM_QSTR(MP_QSTR_regionlayer_yolo2), MP_ROM_PTR(&kpu_regionlayer_yolo2_obj)},
    {MP_ROM_QSTR(MP_QSTR_feature_compare), MP_ROM_PTR(&kpu_feature_compare_obj)},
    {MP_ROM_QSTR(MP_QSTR_sigmoid), MP_ROM_PTR(&kpu_sigmoid_obj)},
    {MP_ROM_QSTR(MP_QSTR_softmax), MP_ROM_PTR(&kpu_softmax_obj)},
    {MP_ROM_QSTR(MP_QSTR_lp_recog_load_weight_data), MP_ROM_PTR(&kpu_lp_recog_load_weight_data_obj)},
    {MP_ROM_QSTR(MP_QSTR_lp_recog), MP_ROM_PTR(&kpu_lp_recog_obj)},
    {MP_ROM_QSTR(MP_QSTR_deinit), MP_ROM_PTR(&kpu_deinit_obj)},
};
static MP_DEFINE_CONST_DICT(kpu_locals, kpu_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(
    maix_kpu_type, MP_QSTR_KPU, MP_TYPE_FLAG_NONE, make_new, kpu_make_new, print, kpu_print, locals_dict, &kpu_locals);
