#include <string.h>

#include "py/gc.h"
#include "py/runtime.h"

#include "loaded_model.h"

#define ERROR_TEXT_SIZE (160)
// For a picture of 320x240 with its AI planes, and what the program makes of the output.
#define LEFT_TO_THE_PROGRAM (640 * 1024)

// What stays in memory of a model that was not loaded yet.
typedef struct {
    kmodel_facts_t facts;
    uint32_t resident;
    uint32_t largest_other;
} plan_t;

NORETURN void loaded_model_raise(const kmodel_error_t *error) {
    char text[ERROR_TEXT_SIZE];
    kmodel_describe(error, text, sizeof(text));
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s"), text);
}

static size_t rounded_up(size_t size) {
    return (size + KMODEL_ALIGNMENT - 1) & ~(size_t)(KMODEL_ALIGNMENT - 1);
}

// Of one block, for layers: what the main memory and the alignments take is off.
static uint32_t room_for_layers(const kmodel_facts_t *facts) {
    gc_info_t info;
    gc_collect();
    gc_info(&info);
    size_t taken = rounded_up(facts->main_memory) + 3 * KMODEL_ALIGNMENT;
    size_t largest = info.max_free * MICROPY_BYTES_PER_GC_BLOCK;
    size_t free = info.free > LEFT_TO_THE_PROGRAM ? info.free - LEFT_TO_THE_PROGRAM : 0;
    size_t room = MIN(largest, free);
    return room > taken ? room - taken : 0;
}

static bool can_never_be_in_memory(const kmodel_facts_t *facts) {
    gc_info_t info;
    gc_info(&info);
    return (uint64_t)facts->size + facts->main_memory > info.total;
}

static void choose(plan_t *plan, const uint8_t *table, mp_obj_t streamed) {
    const kmodel_facts_t *facts = &plan->facts;
    bool asked = streamed != mp_const_none;
    if (asked ? mp_obj_is_true(streamed) : can_never_be_in_memory(facts)) {
        uint32_t room = asked ? 0 : room_for_layers(facts);
        plan->resident = kmodel_resident(table, facts, room, &plan->largest_other);
    } else {
        plan->resident = facts->size;
    }
}

// Judges the beginning of the file before room is made for more.
static plan_t make_plan(const model_source_t *source, mp_obj_t streamed) {
    plan_t plan = {0};
    kmodel_error_t error;
    uint8_t header[KMODEL_HEADER_SIZE];
    memset(header, 0, sizeof(header));
    model_source_read(source, 0, header, MIN(source->size, sizeof(header)));
    if (!kmodel_read_header(header, source->size, &plan.facts, &error)) {
        loaded_model_raise(&error);
    }
    uint8_t *table = m_new(uint8_t, plan.facts.table_size);
    model_source_read(source, 0, table, plan.facts.table_size);
    bool fits = kmodel_read_table(table, source->size, &plan.facts, &error);
    if (fits) {
        choose(&plan, table, streamed);
    }
    m_del(uint8_t, table, plan.facts.table_size);
    if (!fits) {
        loaded_model_raise(&error);
    }
    return plan;
}

static const uint8_t *fetch(void *context, uint32_t at, uint32_t size) {
    loaded_model_t *self = context;
    if (at < self->resident) {
        return self->memory.bytes + at;
    }
    uint8_t *to = self->other_layer + at % KMODEL_ALIGNMENT;
    model_source_read(&self->source, at, to, size);
    return to;
}

static void close_source(loaded_model_t *self) {
    model_source_t source = self->source;
    self->source = (model_source_t){0};
    model_source_close(&source);
}

static void load(loaded_model_t *self, const plan_t *plan) {
    kmodel_error_t error;
    const kmodel_facts_t *facts = &plan->facts;
    bool whole = plan->resident == facts->size;
    size_t main_at = rounded_up(plan->resident), other_at = main_at + rounded_up(facts->main_memory);
    dma_memory_new_raise(&self->memory, other_at + (whole ? 0 : KMODEL_ALIGNMENT + plan->largest_other),
        whole ? "the model (unless streamed=True)" : "the model's largest layer and its work");
    model_source_read(&self->source, 0, self->memory.bytes, plan->resident);
    self->resident = plan->resident;
    self->main_memory = self->memory.bytes + main_at;
    self->other_layer = self->memory.bytes + other_at;
    kmodel_store_t store = {self, whole ? NULL : fetch};
    if (!kmodel_load_stored(&self->model, self->memory.bytes, facts->size, &store, &error)) {
        loaded_model_raise(&error);
    }
}

void loaded_model_load(loaded_model_t *self, mp_obj_t place, mp_obj_t size, mp_obj_t streamed) {
    // Apart from `self`, since reading lets scheduled functions run, which may load or unload that.
    loaded_model_t made = {.source = model_source_open(place, size)};
    loaded_model_unload(self);
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0) {
        loaded_model_unload(&made);
        nlr_jump(nlr.ret_val);
    }
    plan_t plan = make_plan(&made.source, streamed);
    load(&made, &plan);
    if (made.resident == made.model.facts.size) {
        close_source(&made);
    }
    nlr_pop();
    loaded_model_unload(self);
    *self = made;
    self->model.store.context = self;
}

void loaded_model_unload(loaded_model_t *self) {
    dma_memory_free(&self->memory);
    self->model = (kmodel_t){0};
    close_source(self);
}
