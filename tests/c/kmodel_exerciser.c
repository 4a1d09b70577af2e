// Runs a model file with a KPU that only touches memory; then with each of many single bytes flipped, or cut short.
//
//   kmodel_exerciser FILE run
//   kmodel_exerciser FILE flip START END STEP SEED     bytes START, START + STEP, ... before END
//   kmodel_exerciser FILE cut START END STEP           to as many bytes
//
// Built with the sanitizers, which end it at the first fault. Prints how many mutations were refused and how many ran.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "software_kpu.h"

#define MEMORY (16u << 20)
#define SECONDS (20)
// What is larger is not also taken from a store at each mutation, as copying its layers takes so long.
#define STORED_UP_TO (64u << 10)

void __sanitizer_set_death_callback(void (*callback)(void));

static char current[64];

static void tell(void) {
    if (write(STDERR_FILENO, current, strlen(current)) < 0) {
        _exit(3);
    }
}

static void hung(int signal) {
    (void)signal;
    tell();
    _exit(2);
}

static size_t counts[3];

static void attempt(software_kpu_t *software, const uint8_t *bytes, size_t size) {
    kmodel_error_t error;
    alarm(SECONDS);
    exercise_t result = exercise(software, bytes, size, MEMORY, &error);
    if (size <= STORED_UP_TO) {
        exercise_stored(software, bytes, size, MEMORY, result);
    }
    counts[result]++;
    alarm(0);
}

static int run(software_kpu_t *software, const uint8_t *bytes, size_t size) {
    kmodel_error_t error;
    char text[256];
    exercise_t result = exercise(software, bytes, size, MEMORY, &error);
    exercise_stored(software, bytes, size, MEMORY, result);
    if (result == EXERCISE_REFUSED) {
        kmodel_describe(&error, text, sizeof(text));
        puts(text);
    }
    return result != EXERCISE_RAN;
}

static void flip(software_kpu_t *software, uint8_t *bytes, size_t size, char **arguments) {
    size_t end = strtoul(arguments[1], NULL, 0), step = strtoul(arguments[2], NULL, 0);
    uint32_t random = (uint32_t)strtoul(arguments[3], NULL, 0);
    for (size_t i = strtoul(arguments[0], NULL, 0); i < end && i < size; i += step) {
        random = random * 1664525 + 1013904223;
        uint8_t kept = bytes[i];
        // One bit, or any other value.
        bytes[i] ^= random >> 31 ? 1u << (random >> 24 & 7) : (random >> 16 & 255) | 1;
        snprintf(current, sizeof(current), "byte %zu, %u to %u\n", i, kept, bytes[i]);
        attempt(software, bytes, size);
        bytes[i] = kept;
    }
}

static void cut(software_kpu_t *software, const uint8_t *bytes, size_t size, char **arguments) {
    size_t end = strtoul(arguments[1], NULL, 0), step = strtoul(arguments[2], NULL, 0);
    for (size_t i = strtoul(arguments[0], NULL, 0); i < end && i < size; i += step) {
        snprintf(current, sizeof(current), "cut to %zu bytes\n", i);
        attempt(software, bytes, i);
    }
}

static uint8_t *read_file(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size + 1);
    *size = fread(bytes, 1, *size, file);
    fclose(file);
    return bytes;
}

int main(int count, char **arguments) {
    size_t size = 0;
    uint8_t *bytes = count > 2 ? read_file(arguments[1], &size) : NULL;
    if (bytes == NULL) {
        fprintf(stderr, "usage: %s FILE run | flip START END STEP SEED | cut START END STEP\n", arguments[0]);
        return 1;
    }
    signal(SIGALRM, hung);
    __sanitizer_set_death_callback(tell);
    software_kpu_t *software = software_kpu_new();
    int result = 0;
    if (strcmp(arguments[2], "flip") == 0 && count == 7) {
        flip(software, bytes, size, &arguments[3]);
    } else if (strcmp(arguments[2], "cut") == 0 && count == 6) {
        cut(software, bytes, size, &arguments[3]);
    } else {
        result = run(software, bytes, size);
        counts[EXERCISE_RAN] = !result;
    }
    printf("refused %zu ran %zu too_large %zu\n", counts[EXERCISE_REFUSED], counts[EXERCISE_RAN],
        counts[EXERCISE_TOO_LARGE]);
    software_kpu_free(software);
    free(bytes);
    return result;
}
