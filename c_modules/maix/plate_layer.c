#include "plate_layer.h"

const uint8_t plate_results[PLATE_CHARACTERS] = {31, 24, 34, 34, 34, 34, 34};

void plate_layer_run(const float *features, const float *weights, unsigned character, float *results) {
    for (unsigned i = 0; i < character; i++) {
        weights += plate_results[i] * (PLATE_FEATURES + 1);
    }
    features += character * PLATE_FEATURES;
    const float *biases = weights + plate_results[character] * PLATE_FEATURES;
    for (unsigned i = 0; i < plate_results[character]; i++, weights += PLATE_FEATURES) {
        float sum = 0;
        for (unsigned j = 0; j < PLATE_FEATURES; j++) {
            sum += features[j] * weights[j];
        }
        results[i] = sum + biases[i];
    }
}
