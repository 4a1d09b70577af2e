// A KPU that computes nothing, but reads and writes every byte that a real one would: what a layer reaches outside of
// its buffers, the address sanitizer sees.
#ifndef SOFTWARE_KPU_H
#define SOFTWARE_KPU_H

#include "kmodel.h"

typedef struct {
    kmodel_kpu_t kpu;
    uint64_t seen; // a sum over what was read, so that no read is left out
} software_kpu_t;

// With KPU RAM of its own; NULL when there is no memory.
software_kpu_t *software_kpu_new(void);
void software_kpu_free(software_kpu_t *software);

typedef enum { EXERCISE_REFUSED, EXERCISE_TOO_LARGE, EXERCISE_RAN } exercise_t;

// Judges a model that has exactly `size` bytes; runs it when it passes and needs no more than `memory` bytes. `error`
// holds what refused it. Ends the program when an error's description is not as it should be.
exercise_t exercise(software_kpu_t *software, const uint8_t *bytes, size_t size, size_t memory, kmodel_error_t *error);

// The same from a store. Ends the program unless it comes to the same as `in_memory`, the result of exercise() just
// before, or is refused because a layer uses what lies outside of it.
void exercise_stored(software_kpu_t *software, const uint8_t *bytes, size_t size, size_t memory, exercise_t in_memory);

#endif // SOFTWARE_KPU_H
