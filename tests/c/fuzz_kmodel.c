// libFuzzer's entry: whatever the bytes are, judging them and running what passes leaves no buffer and ends.
#include <stddef.h>
#include <stdint.h>

#include "software_kpu.h"

#define MEMORY (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static software_kpu_t *software;
    if (software == NULL) {
        software = software_kpu_new();
    }
    kmodel_error_t error;
    exercise_t result = exercise(software, bytes, size, MEMORY, &error);
    exercise_stored(software, bytes, size, MEMORY, result);
    return 0;
}
