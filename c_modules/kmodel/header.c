// A model's header and its table of outputs and layers: what they tell, and whether it can be.
#include <string.h>

#include "kmodel_layers.h"

#define MAGIC_LATER (0x4b4d444cu) // "LDMK" starts versions 4 and later, the number follows

static bool fail(kmodel_error_t *error, kmodel_status_t status, uint64_t has, uint64_t needs) {
    *error = (kmodel_error_t){.status = status, .layer = KMODEL_NO_LAYER, .has = has, .needs = needs};
    return false;
}

static bool invalid(kmodel_error_t *error, uint64_t has, uint64_t needs, const char *what) {
    fail(error, KMODEL_INVALID, has, needs);
    error->what = what;
    return false;
}

static bool erased(const uint8_t *bytes) {
    for (size_t i = 0; i < KMODEL_HEADER_SIZE; i++) {
        if (bytes[i] != 0xff) {
            return false;
        }
    }
    return true;
}

static bool judge_version(const format_header_t *header, kmodel_error_t *error) {
    if (header->version == FORMAT_VERSION) {
        return true;
    }
    if (header->version == MAGIC_LATER) {
        return fail(error, KMODEL_UNSUPPORTED_VERSION, FORMAT_VERSION, header->flags);
    }
    // The SDK also knows a version 1, whose flags and count of layers come next.
    if (header->version != 0 && header->version < FORMAT_VERSION && header->flags <= FORMAT_FLAG_EIGHT_BIT
        && header->arch - 1 < JUDGE_MAX_LAYERS) {
        return fail(error, KMODEL_UNSUPPORTED_VERSION, FORMAT_VERSION, header->version);
    }
    return fail(error, KMODEL_NOT_A_KMODEL, header->version, FORMAT_VERSION);
}

bool kmodel_read_header(
    const uint8_t header[KMODEL_HEADER_SIZE], size_t available, kmodel_facts_t *facts, kmodel_error_t *error) {
    memset(facts, 0, sizeof(*facts));
    memset(error, 0, sizeof(*error));
    if (available < KMODEL_HEADER_SIZE) {
        return fail(error, KMODEL_TRUNCATED, available, KMODEL_HEADER_SIZE);
    }
    if (erased(header)) {
        return fail(error, KMODEL_ERASED, 0, 0);
    }
    format_header_t h;
    memcpy(&h, header, sizeof(h));
    if (!judge_version(&h, error)) {
        return false;
    }
    if (h.arch != FORMAT_ARCH_K210) {
        return invalid(error, h.arch, FORMAT_ARCH_K210, "it is for architecture #, the K210 is #");
    }
    if (h.flags & ~FORMAT_FLAG_EIGHT_BIT) {
        return invalid(error, h.flags, FORMAT_FLAG_EIGHT_BIT, "its flags are #, the highest known is #");
    }
    if (h.layers == 0 || h.layers > JUDGE_MAX_LAYERS) {
        return invalid(error, h.layers, JUDGE_MAX_LAYERS, "it has # layers, from 1 to # can be");
    }
    if (h.outputs == 0 || h.outputs > JUDGE_MAX_OUTPUTS) {
        return invalid(error, h.outputs, JUDGE_MAX_OUTPUTS, "it has # outputs, from 1 to # can be");
    }
    *facts = (kmodel_facts_t){
        .version = h.version,
        .eight_bit = h.flags & FORMAT_FLAG_EIGHT_BIT,
        .layers = h.layers,
        .outputs = h.outputs,
        .main_memory = h.main_memory,
        .table_size = (uint32_t)(sizeof(h) + h.outputs * sizeof(format_range_t) + h.layers * sizeof(format_layer_t)),
    };
    if (facts->table_size > available) {
        return fail(error, KMODEL_TRUNCATED, available, facts->table_size);
    }
    return true;
}

bool kmodel_read_table(const uint8_t *table, size_t available, kmodel_facts_t *facts, kmodel_error_t *error) {
    if (!kmodel_read_header(table, available, facts, error)) {
        return false;
    }
    const uint8_t *next = table + sizeof(format_header_t) + facts->outputs * sizeof(format_range_t);
    uint64_t size = facts->table_size;
    for (uint32_t i = 0; i < facts->layers; i++) {
        format_layer_t layer;
        memcpy(&layer, next + i * sizeof(layer), sizeof(layer));
        const layer_kind_t *kind = layer_kind(layer.type);
        if (kind == NULL || kind->judge == NULL) {
            fail(error, KMODEL_UNSUPPORTED_LAYER, 0, 0);
            error->layer = i;
            error->type = layer.type;
            return false;
        }
        size += layer.body_size;
        if (facts->largest_layer < layer.body_size) {
            facts->largest_layer = layer.body_size;
        }
    }
    if (size > (uint64_t)available + FORMAT_PADDING || size > UINT32_MAX) {
        return fail(error, KMODEL_TRUNCATED, available, size);
    }
    facts->size = (uint32_t)(size < available ? size : available);
    facts->padding = (uint32_t)(size - facts->size);
    return true;
}
