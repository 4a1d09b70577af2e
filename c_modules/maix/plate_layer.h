// The last step of the vendor's licence-plate model: seven dense layers, one for each character. Portable C.
// Layout of the weights: kendryte/canmv, kpu_algorithm.c. For each layer in turn a row of numbers for every result,
// then as many biases.
#ifndef MAIX_PLATE_LAYER_H
#define MAIX_PLATE_LAYER_H

#include <stdint.h>

#define PLATE_CHARACTERS (7)
#define PLATE_FEATURES (1664) // of a character
#define PLATE_WEIGHTS_SIZE (1498500) // bytes

// How many characters may stand in each place.
extern const uint8_t plate_results[PLATE_CHARACTERS];

// The results of place `character`, plate_results[character] of them, from all features of the plate.
void plate_layer_run(const float *features, const float *weights, unsigned character, float *results);

#endif // MAIX_PLATE_LAYER_H
