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
        memset(software->kpu.ram, 0, KMODEL_KPU_RAM_SIZE);
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

exercise_t exercise(software_kpu_t *software, const uint8_t *bytes, size_t size, size_t memory, kmodel_error_t *error) {
    uint8_t *image = allocate(size);
    memcpy(image, bytes, size);
    kmodel_t model;
    exercise_t result = EXERCISE_RAN;
    if (!kmodel_load(&model, image, size, error)) {
        check_description(error);
        result = EXERCISE_REFUSED;
    } else if (model.facts.main_memory > memory) {
        result = EXERCISE_TOO_LARGE;
    } else {
        run(software, &model, error);
    }
    if (memcmp(image, bytes, size) != 0) {
        abort();
    }
    free(image);
    return result;
}
