// Judges a model, layer by layer, before it is ever run.
//
// The rule: whatever the bytes are, running a model that passes stays inside the model, the main memory and KPU RAM,
// ends, and computes nothing that C leaves undefined. That holds for what the KPU itself reads and writes, too.
#include <string.h>

#include "kmodel_layers.h"

#define BEYOND (1ull << 60)

uint64_t product(uint64_t a, uint64_t b) {
    return b != 0 && a > BEYOND / b ? BEYOND : a * b;
}

static bool refuse(judge_t *judge, uint64_t has, uint64_t needs, const char *what) {
    *judge->error = (kmodel_error_t){
        .status = KMODEL_INVALID,
        .layer = judge->layer,
        .type = judge->type,
        .has = has,
        .needs = needs,
        .what = what,
    };
    return false;
}

bool judge_at_most(judge_t *judge, uint64_t value, uint64_t most, const char *what) {
    return value <= most || refuse(judge, value, most, what);
}

bool judge_at_least(judge_t *judge, uint64_t value, uint64_t least, const char *what) {
    return value >= least || refuse(judge, value, least, what);
}

bool judge_equal(judge_t *judge, uint64_t value, uint64_t wanted, const char *what) {
    return value == wanted || refuse(judge, value, wanted, what);
}

bool judge_multiple(judge_t *judge, uint64_t value, uint32_t of, const char *what) {
    return value % of == 0 || refuse(judge, value, of, what);
}

bool judge_body(judge_t *judge, uint64_t needed) {
    return judge_at_least(judge, judge->body_size, needed, "its arguments take # bytes, # are needed");
}

bool judge_steps(judge_t *judge, uint64_t steps) {
    judge->steps += steps < BEYOND ? steps : BEYOND;
    return judge_at_most(
        judge, judge->steps, JUDGE_MAX_STEPS, "up to here a run handles # elements, more than # would take too long");
}

static const struct {
    const char *empty;
    const char *misaligned;
    const char *outside;
} roles[] = {
    [ROLE_INPUT] = {"the input has # elements, at least # is needed", "input floats lie at address #, no multiple of #",
        "the input ends at byte # of main memory, which has #"},
    [ROLE_SECOND_INPUT] = {"the second input has # elements, at least # is needed",
        "floats of the second input lie at address #, no multiple of #",
        "the second input ends at byte # of main memory, which has #"},
    [ROLE_OUTPUT] = {"the output has # elements, at least # is needed",
        "output floats lie at address #, no multiple of #", "the output ends at byte # of main memory, which has #"},
};

bool judge_range(judge_t *judge, role_t role, uint32_t address, uint64_t count, uint32_t element, span_t *span) {
    span->start = address;
    span->end = address + product(count, element);
    return judge_at_least(judge, count, 1, roles[role].empty)
        && judge_multiple(judge, address, element, roles[role].misaligned)
        && judge_at_most(judge, span->end, judge->main_memory, roles[role].outside) && judge_steps(judge, count);
}

bool judge_apart(judge_t *judge, const span_t *in, const span_t *out, bool in_place) {
    if (in->end <= out->start || out->end <= in->start) {
        return true;
    }
    if (in_place && in->start == out->start && in->end == out->end) {
        return true;
    }
    return refuse(judge, out->start, in->start, "the output at byte # of main memory runs into the input at byte #");
}

bool judge_shape(judge_t *judge, const format_shape_t *shape) {
    return judge_at_least(judge, shape->width, 1, "its width is #, at least # is needed")
        && judge_at_least(judge, shape->height, 1, "its height is #, at least # is needed")
        && judge_at_least(judge, shape->channels, 1, "it has # channels, at least # is needed");
}

bool judge_activation(judge_t *judge, uint32_t activation) {
    return judge_at_most(judge, activation, ACTIVATION_RELU6, "its activation is #, the highest known is #");
}

static bool judge_outputs(judge_t *judge, const kmodel_t *model) {
    const format_range_t *output = (const void *)(model->bytes + sizeof(format_header_t));
    for (uint32_t i = 0; i < model->facts.outputs; i++) {
        uint64_t end = (uint64_t)output[i].address + output[i].size;
        if (!judge_at_most(judge, end, judge->main_memory, "an output ends at byte # of main memory, which has #")) {
            return false;
        }
    }
    return true;
}

// What the network takes is what its first layer takes.
static bool judge_first(judge_t *judge, kmodel_t *model, const void *body) {
    if (judge->type == LAYER_FULLY_CONNECTED) {
        const format_fully_connected_t *first = body;
        model->float_input = true;
        model->input = (kmodel_shape_t){1, 1, first->in_channels};
        model->input_address = first->in_address;
        return true;
    }
    if (judge->type == LAYER_K210_CONV) {
        return judge_input(judge, model, body);
    }
    return refuse(judge, LAYER_K210_CONV, LAYER_FULLY_CONNECTED,
        "it comes first, where only a K210 convolution (type #) or a fully connected layer (type #) can take the "
        "input");
}

bool judge_walked(judge_t *judge, const layer_walk_t *walk) {
    const layer_kind_t *kind = layer_kind(walk->type);
    judge->layer = walk->index;
    judge->type = walk->type;
    judge->body_size = walk->body_size;
    judge->part = walk->part;
    return judge_multiple(
               judge, (uintptr_t)walk->body, sizeof(uint32_t), "its arguments lie at address #, no multiple of #")
        && judge_body(judge, kind->body_size) && kind->judge(judge, walk->body);
}

static bool judge_layers(judge_t *judge, kmodel_t *model) {
    layer_walk_t walk = layer_walk_start(model);
    for (uint32_t i = 0; i < model->facts.layers; i++) {
        if (!layer_walk_next(&walk)) {
            *judge->error = (kmodel_error_t){.status = KMODEL_STOPPED, .layer = i, .type = walk.type};
            return false;
        }
        if (!judge_walked(judge, &walk) || (i == 0 && !judge_first(judge, model, walk.body))) {
            return false;
        }
    }
    return true;
}

// `model` has bytes, and a store or none.
static bool judge_model(kmodel_t *model, size_t size, kmodel_error_t *error) {
    judge_t judge = {.layer = KMODEL_NO_LAYER, .error = error};
    if (!judge_multiple(&judge, (uintptr_t)model->bytes, KMODEL_ALIGNMENT, "it lies at address #, no multiple of #")
        || !kmodel_read_table(model->bytes, size, &model->facts, error)) {
        return false;
    }
    judge.size = model->facts.size;
    judge.main_memory = model->facts.main_memory;
    judge.eight_bit = model->facts.eight_bit;
    if (judge_outputs(&judge, model) && judge_layers(&judge, model)) {
        return true;
    }
    // What is missing was not only padding.
    if (model->facts.padding != 0 && error->layer + 1 == model->facts.layers && !judge.shares) {
        *error = (kmodel_error_t){.status = KMODEL_TRUNCATED, .layer = KMODEL_NO_LAYER};
        error->has = model->facts.size;
        error->needs = (uint64_t)model->facts.size + model->facts.padding;
    }
    return false;
}

bool kmodel_load(kmodel_t *model, const uint8_t *bytes, size_t size, kmodel_error_t *error) {
    return kmodel_load_stored(model, bytes, size, &(kmodel_store_t){NULL, NULL}, error);
}

bool kmodel_load_stored(
    kmodel_t *model, const uint8_t *table, size_t size, const kmodel_store_t *store, kmodel_error_t *error) {
    memset(model, 0, sizeof(*model));
    memset(error, 0, sizeof(*error));
    model->bytes = table;
    model->store = *store;
    if (judge_model(model, size, error)) {
        return true;
    }
    memset(model, 0, sizeof(*model));
    return false;
}

bool kmodel_output(const kmodel_t *model, uint32_t index, uint32_t *address, uint32_t *size) {
    if (model->bytes == NULL || index >= model->facts.outputs) {
        return false;
    }
    const format_range_t *output = (const void *)(model->bytes + sizeof(format_header_t));
    *address = output[index].address;
    *size = output[index].size;
    return true;
}
