// Runs a judged model, one layer after the other.
#include <string.h>

#include "kmodel_layers.h"

static bool stop(kmodel_error_t *error, kmodel_status_t status, uint32_t layer, uint32_t type) {
    *error = (kmodel_error_t){.status = status, .layer = layer, .type = type};
    return false;
}

static bool take_input(const run_t *run, const void *input) {
    const kmodel_t *model = run->model;
    if (model->float_input) {
        memcpy(run->main_memory + model->input_address, input, model->input.channels * sizeof(float));
        return true;
    }
    const kmodel_kpu_t *kpu = run->kpu;
    if (kpu->upload != NULL) {
        return kpu->upload(kpu->context, input, &model->input, model->input_address);
    }
    layout_upload(kpu->ram + model->input_address, input, &model->input);
    return true;
}

bool kmodel_run(
    const kmodel_t *model, const kmodel_kpu_t *kpu, uint8_t *main_memory, const void *input, kmodel_error_t *error) {
    memset(error, 0, sizeof(*error));
    run_t run = {model, kpu, main_memory};
    if (!aligned(main_memory, KMODEL_ALIGNMENT)) {
        stop(error, KMODEL_INVALID, KMODEL_NO_LAYER, 0);
        error->has = (uintptr_t)main_memory;
        error->needs = KMODEL_ALIGNMENT;
        error->what = "its main memory lies at address #, no multiple of #";
        return false;
    }
    const format_layer_t *layer =
        (const void *)(model->bytes + sizeof(format_header_t) + model->facts.outputs * sizeof(format_range_t));
    const uint8_t *body = model->bytes + model->facts.table_size;
    if (!take_input(&run, input)) {
        return stop(error, KMODEL_STOPPED, 0, layer[0].type);
    }
    for (uint32_t i = 0; i < model->facts.layers; i++) {
        uint32_t type = layer[i].type;
        if ((kpu->before_layer != NULL && !kpu->before_layer(kpu->context, i, type))
            || !layer_kind(type)->run(&run, body)) {
            return stop(error, KMODEL_STOPPED, i, type);
        }
        body += layer[i].body_size;
    }
    return true;
}
