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

// What was fetched may be of another model than the one that was judged.
static bool is_still_sound(const layer_walk_t *walk, kmodel_error_t *error) {
    const kmodel_facts_t *facts = &walk->model->facts;
    judge_t judge = {
        .size = facts->size, .main_memory = facts->main_memory, .eight_bit = facts->eight_bit, .error = error};
    return walk->model->store.fetch == NULL || judge_walked(&judge, walk);
}

bool kmodel_run(
    const kmodel_t *model, const kmodel_kpu_t *kpu, uint8_t *main_memory, const void *input, kmodel_error_t *error) {
    memset(error, 0, sizeof(*error));
    run_t run = {.model = model, .kpu = kpu, .main_memory = main_memory};
    if (!aligned(main_memory, KMODEL_ALIGNMENT)) {
        stop(error, KMODEL_INVALID, KMODEL_NO_LAYER, 0);
        error->has = (uintptr_t)main_memory;
        error->needs = KMODEL_ALIGNMENT;
        error->what = "its main memory lies at address #, no multiple of #";
        return false;
    }
    layer_walk_t walk = layer_walk_start(model);
    for (uint32_t i = 0; i < model->facts.layers; i++) {
        bool fetched = layer_walk_next(&walk);
        if (fetched && !is_still_sound(&walk, error)) {
            return false;
        }
        run.part = walk.part;
        if (!fetched || (i == 0 && !take_input(&run, input))
            || (kpu->before_layer != NULL && !kpu->before_layer(kpu->context, i, walk.type))
            || !layer_kind(walk.type)->run(&run, walk.body)) {
            return stop(error, KMODEL_STOPPED, i, walk.type);
        }
    }
    return true;
}
