// Goes through a model's layers, fetching those of one that stays in a store.
#include "kmodel_layers.h"

static const format_layer_t *layers_of(const uint8_t *table, const kmodel_facts_t *facts) {
    return (const void *)(table + sizeof(format_header_t) + facts->outputs * sizeof(format_range_t));
}

uint32_t kmodel_resident(const uint8_t *table, const kmodel_facts_t *facts, uint32_t room, uint32_t *largest_other) {
    const format_layer_t *layers = layers_of(table, facts);
    uint32_t end = facts->size + facts->padding;
    *largest_other = 0;
    for (uint32_t i = facts->layers; i > 0 && (uint64_t)end + *largest_other > room; i--) {
        uint32_t size = layers[i - 1].body_size;
        end -= size;
        *largest_other = size > *largest_other ? size : *largest_other;
    }
    return end < facts->size ? end : facts->size;
}

layer_walk_t layer_walk_start(const kmodel_t *model) {
    return (layer_walk_t){.model = model, .index = UINT32_MAX, .next_at = model->facts.table_size};
}

// What of a layer the file has: padding may be missing.
static uint32_t there(const kmodel_facts_t *facts, uint32_t at, uint32_t size) {
    uint32_t left = facts->size - at;
    return size < left ? size : left;
}

bool layer_walk_next(layer_walk_t *walk) {
    const kmodel_t *model = walk->model;
    const kmodel_facts_t *facts = &model->facts;
    const format_layer_t *layer = &layers_of(model->bytes, facts)[++walk->index];
    uint32_t at = walk->next_at;
    walk->type = layer->type;
    walk->body_size = there(facts, at, layer->body_size);
    walk->next_at += walk->body_size;
    if (model->store.fetch == NULL) {
        walk->part = (part_t){model->bytes, 0, facts->size};
    } else {
        const uint8_t *bytes = model->store.fetch(model->store.context, at, walk->body_size);
        walk->part = (part_t){bytes, at, at + walk->body_size};
        if (bytes == NULL) {
            return false;
        }
    }
    walk->body = part_byte(&walk->part, at);
    return true;
}
