#include "software_kpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE (64)

// The fields are decoded here once more, so that a mistake in the runtime's decoding does not hide itself.
#define FIELD(word, low, count) ((size_t)((words[word] >> (low)) & ((1ull << (count)) - 1)))

static void read_all(software_kpu_t *software, const uint8_t *bytes, size_t size) {
    uint64_t sum = software->seen;
    while (size >= sizeof(sum)) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        sum = sum * 31 + word;
        bytes += sizeof(word);
        size -= sizeof(word);
    }
    for (; size != 0; size--) {
        sum = sum * 31 + *bytes++;
    }
    software->seen = sum;
}

static void read_source(software_kpu_t *software, const uint64_t *words) {
    size_t group = FIELD(7, 28, 3), groups = (FIELD(2, 0, 10) + group) / group;
    size_t used = FIELD(7, 16, 4) * (FIELD(3, 10, 9) + 1) * LINE;
    for (size_t i = 0; i < groups; i++) {
        read_all(software, software->kpu.ram + (FIELD(1, 0, 15) + i * FIELD(7, 0, 15)) * LINE, used);
    }
}

static void write_target(software_kpu_t *software, const uint64_t *words) {
    size_t group = FIELD(8, 20, 3), channels = FIELD(2, 32, 10) + 1;
    size_t width = FIELD(3, 32, 10) + 1, height = FIELD(3, 42, 9) + 1;
    uint8_t *target = software->kpu.ram + FIELD(1, 32, 15) * LINE;
    for (size_t c = 0; c < channels; c++) {
        for (size_t y = 0; y < height; y++) {
            size_t line = c / group * FIELD(8, 0, 15) + y * FIELD(8, 16, 4);
            memset(target + line * LINE + c % group * (LINE / group), (int)(software->seen + c), width);
        }
    }
}

static bool convolve(void *context, const uint64_t words[KMODEL_LAYER_WORDS], bool eight_bit,
    const kmodel_parameters_t *parameters, uint8_t *output, uint32_t output_size) {
    software_kpu_t *software = context;
    size_t inputs = FIELD(0, 3, 1) ? 1 : FIELD(2, 0, 10) + 1, outputs = FIELD(2, 32, 10) + 1;
    size_t weights = outputs * inputs * (FIELD(4, 0, 3) ? 9 : 1) * (eight_bit ? 1 : 2);
    read_all(software, parameters->weights, weights);
    read_all(software, parameters->batchnorm, outputs * 8);
    read_all(software, parameters->activation, 144);
    read_source(software, words);
    write_target(software, words);
    if (output != NULL) {
        // What the DMA controller writes: the last eight bytes whole.
        size_t sent = FIELD(11, 32, 32) + 1;
        memset(output, (int)software->seen, (sent + 7) / 8 * 8);
        if (sent != output_size) {
            abort();
        }
    }
    return true;
}

software_kpu_t *software_kpu_new(void) {
    software_kpu_t *software = calloc(1, sizeof(*software));
    if (software != NULL) {
        software->kpu = (kmodel_kpu_t){.context = software, .ram = malloc(KMODEL_KPU_RAM_SIZE), .convolve = convolve};
        if (software->kpu.ram == NULL) {
            free(software);
            return NULL;
        }
    }
    return software;
}

void software_kpu_free(software_kpu_t *software) {
    free(software->kpu.ram);
    free(software);
}

static uint8_t *allocate(size_t size) {
    void *memory = NULL;
    if (posix_memalign(&memory, KMODEL_ALIGNMENT, size != 0 ? size : 1) != 0) {
        abort();
    }
    return memory;
}

static void check_description(const kmodel_error_t *error) {
    char text[256], small[8];
    int length = kmodel_describe(error, text, sizeof(text));
    if (length <= 0 || (size_t)length >= sizeof(text) || strlen(text) != (size_t)length || strchr(text, '#') != NULL) {
        fprintf(stderr, "described badly: %s\n", text);
        abort();
    }
    if (kmodel_describe(error, small, sizeof(small)) != length || strncmp(small, text, sizeof(small) - 1) != 0) {
        abort();
    }
    kmodel_describe(error, NULL, 0);
}

static void run(software_kpu_t *software, const kmodel_t *model, kmodel_error_t *error) {
    size_t size = (size_t)model->input.width * model->input.height * model->input.channels;
    size *= model->float_input ? sizeof(float) : 1;
    uint8_t *input = malloc(size), *main_memory = allocate(model->facts.main_memory);
    memset(input, 1, size);
    memset(main_memory, 0, model->facts.main_memory);
    memset(software->kpu.ram, 0, KMODEL_KPU_RAM_SIZE);
    if (!kmodel_run(model, &software->kpu, main_memory, input, error)) {
        abort();
    }
    uint32_t address, length;
    for (uint32_t i = 0; kmodel_output(model, i, &address, &length); i++) {
        read_all(software, main_memory + address, length);
    }
    free(input);
    free(main_memory);
}

// A model in a store, of which one layer at a time is in memory, in a block that is no larger.
typedef struct {
    const uint8_t *bytes;
    size_t size;
    uint8_t *block;
} shelf_t;

static const uint8_t *fetch(void *context, uint32_t at, uint32_t size) {
    shelf_t *shelf = context;
    if (at > shelf->size || size > shelf->size - at) {
        abort();
    }
    free(shelf->block);
    shelf->block = allocate(at % KMODEL_ALIGNMENT + size);
    memcpy(shelf->block + at % KMODEL_ALIGNMENT, shelf->bytes + at, size);
    return shelf->block + at % KMODEL_ALIGNMENT;
}

static exercise_t conclude(
    software_kpu_t *software, const kmodel_t *model, bool loaded, size_t memory, kmodel_error_t *error) {
    if (!loaded) {
        check_description(error);
        return EXERCISE_REFUSED;
    }
    if (model->facts.main_memory > memory) {
        return EXERCISE_TOO_LARGE;
    }
    run(software, model, error);
    return EXERCISE_RAN;
}

exercise_t exercise(software_kpu_t *software, const uint8_t *bytes, size_t size, size_t memory, kmodel_error_t *error) {
    uint8_t *image = allocate(size);
    memcpy(image, bytes, size);
    kmodel_t model;
    software->seen = 0;
    bool loaded = kmodel_load(&model, image, size, error);
    exercise_t result = conclude(software, &model, loaded, memory, error);
    if (memcmp(image, bytes, size) != 0) {
        abort();
    }
    free(image);
    return result;
}

void exercise_stored(software_kpu_t *software, const uint8_t *bytes, size_t size, size_t memory, exercise_t in_memory) {
    kmodel_facts_t facts;
    kmodel_error_t error;
    kmodel_t model;
    if (size < KMODEL_HEADER_SIZE || !kmodel_read_header(bytes, size, &facts, &error)) {
        return;
    }
    shelf_t shelf = {bytes, size, NULL};
    uint8_t *table = allocate(facts.table_size);
    memcpy(table, bytes, facts.table_size);
    uint64_t before = software->seen;
    software->seen = 0;
    bool loaded = kmodel_load_stored(&model, table, size, &(kmodel_store_t){&shelf, fetch}, &error);
    exercise_t stored = conclude(software, &model, loaded, memory, &error);
    if (stored == EXERCISE_REFUSED
            ? in_memory != stored && (error.what == NULL || strstr(error.what, "as a whole") == NULL)
            : in_memory != stored || (stored == EXERCISE_RAN && software->seen != before)) {
        fprintf(stderr, "from a store another end: %d, in memory %d\n", stored, in_memory);
        abort();
    }
    free(shelf.block);
    free(table);
}
