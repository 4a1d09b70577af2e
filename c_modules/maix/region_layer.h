// The region layer of YOLOv2: from a net's output to boxes. Portable C, single precision.
//
// The arithmetic, down to the order of its roundings: kendryte-standalone-demo, face_detect/region_layer.c, which
// follows darknet; classes = 0 and how boxes become rectangles: kendryte/canmv, the firmware that the vendor ships.
#ifndef MAIX_REGION_LAYER_H
#define MAIX_REGION_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#define REGION_LAYER_COORDINATES (4)

typedef struct {
    const float *anchors; // width and height of each, in cells of the grid
    uint32_t anchor_count;
    uint32_t classes; // 0: what an anchor finds has no class, and only objectness counts
    uint32_t layer_width; // the grid
    uint32_t layer_height;
    uint32_t net_width; // the net's input
    uint32_t net_height;
    uint32_t image_width; // boxes are in pixels of an image of this size, which stood centred in the net's input
    uint32_t image_height;
    float threshold; // least probability, 0..1
    float nms; // of two boxes of a class that share more than this part of their union one goes, 0..1
} region_layer_t;

typedef struct {
    uint32_t x; // left, top, width, height
    uint32_t y;
    uint32_t w;
    uint32_t h;
    uint32_t class_index;
    float probability;
} region_box_t;

// How many numbers the net's output has for this layer: for each anchor x, y, w, h, objectness and the classes, each
// a plane of the grid.
uint64_t region_layer_output_count(const region_layer_t *layer);

// How many cells and anchors may hold something: as many as region_layer_run() may find, and no more than its
// workspace has to have room for.
uint32_t region_layer_candidates(const region_layer_t *layer, const float *output);

// Floats of workspace for so many candidates.
uint64_t region_layer_workspace(const region_layer_t *layer, uint32_t candidates);

// Finds the boxes, in the order of anchors, then of cells; writes at most `candidates` of them, which
// region_layer_candidates() told, and returns their number.
uint32_t region_layer_run(
    const region_layer_t *layer, const float *output, uint32_t candidates, float *workspace, region_box_t *boxes);

#endif // MAIX_REGION_LAYER_H
