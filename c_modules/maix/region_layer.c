#include <math.h>

#include "region_layer.h"

// What workspace holds of a candidate, before the probabilities of its classes.
enum { BOX_X, BOX_Y, BOX_W, BOX_H, INDEX, CLASSES };

// Objectness below the threshold by more than this, before the sigmoid, need not be computed to be refused.
#define MARGIN (0.01f)

static uint32_t cells(const region_layer_t *layer) {
    return layer->layer_width * layer->layer_height;
}

static uint32_t planes(const region_layer_t *layer) {
    return REGION_LAYER_COORDINATES + 1 + layer->classes;
}

uint64_t region_layer_output_count(const region_layer_t *layer) {
    return (uint64_t)layer->anchor_count * planes(layer) * cells(layer);
}

static uint32_t class_count(const region_layer_t *layer) {
    return layer->classes ? layer->classes : 1;
}

static uint32_t candidate_size(const region_layer_t *layer) {
    return CLASSES + class_count(layer);
}

uint64_t region_layer_workspace(const region_layer_t *layer, uint32_t candidates) {
    return (uint64_t)candidates * candidate_size(layer);
}

static float sigmoid(float x) {
    return 1.f / (1.f + expf(-x));
}

// Objectness that is below this before the sigmoid is below the threshold after it.
static float least_logit(const region_layer_t *layer) {
    float t = layer->threshold;
    return t <= 0 ? -INFINITY : t >= 1 ? INFINITY : logf(t / (1.f - t)) - MARGIN;
}

// A probability is objectness times at most 1, so what is not above the threshold here never is.
uint32_t region_layer_candidates(const region_layer_t *layer, const float *output) {
    uint32_t count = 0;
    float least = least_logit(layer);
    for (uint32_t anchor = 0; anchor < layer->anchor_count; anchor++) {
        const float *objectness = output + ((uint64_t)anchor * planes(layer) + REGION_LAYER_COORDINATES) * cells(layer);
        for (uint32_t cell = 0; cell < cells(layer); cell++) {
            count += objectness[cell] >= least;
        }
    }
    return count;
}

// How the image stood in the net's input: centred, as large as its proportions allow.
typedef struct {
    uint32_t width;
    uint32_t height;
} fitted_t;

static fitted_t fit(const region_layer_t *layer) {
    uint32_t net_w = layer->net_width, net_h = layer->net_height;
    uint32_t image_w = layer->image_width, image_h = layer->image_height;
    if ((float)net_w / image_w < (float)net_h / image_h) {
        return (fitted_t){net_w, image_h * net_w / image_w};
    }
    return (fitted_t){image_w * net_h / image_h, net_h};
}

// The box in parts of the image.
static void find_box(const region_layer_t *layer, const float *x, uint32_t anchor, uint32_t cell, float *box) {
    uint32_t plane = cells(layer), w = layer->layer_width, h = layer->layer_height;
    fitted_t fitted = fit(layer);
    box[BOX_X] = ((float)(cell % w) + sigmoid(x[0])) / w;
    box[BOX_Y] = ((float)(cell / w) + sigmoid(x[plane])) / h;
    box[BOX_W] = expf(x[2 * plane]) * layer->anchors[2 * anchor] / w;
    box[BOX_H] = expf(x[3 * plane]) * layer->anchors[2 * anchor + 1] / h;
    int edge_x = (int)(layer->net_width - fitted.width), edge_y = (int)(layer->net_height - fitted.height);
    box[BOX_X] = (box[BOX_X] - edge_x / 2. / layer->net_width) / ((float)fitted.width / layer->net_width);
    box[BOX_Y] = (box[BOX_Y] - edge_y / 2. / layer->net_height) / ((float)fitted.height / layer->net_height);
    box[BOX_W] *= (float)layer->net_width / fitted.width;
    box[BOX_H] *= (float)layer->net_height / fitted.height;
}

// Probabilities of the classes: their softmax times objectness; 0 where that is not above the threshold. False when
// none is above it.
static bool find_classes(const region_layer_t *layer, const float *x, float objectness, float *probability) {
    uint32_t plane = cells(layer), count = class_count(layer);
    bool any = false;
    if (layer->classes == 0) {
        probability[0] = objectness;
    } else {
        float largest = x[0], sum = 0;
        for (uint32_t i = 1; i < count; i++) {
            largest = x[i * plane] > largest ? x[i * plane] : largest;
        }
        for (uint32_t i = 0; i < count; i++) {
            probability[i] = expf(x[i * plane] - largest);
            sum += probability[i];
        }
        for (uint32_t i = 0; i < count; i++) {
            probability[i] = objectness * (probability[i] / sum);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        probability[i] = probability[i] > layer->threshold ? probability[i] : 0;
        any |= probability[i] > 0;
    }
    return any;
}

static uint32_t gather(const region_layer_t *layer, const float *output, uint32_t most, float *workspace) {
    uint32_t found = 0, plane = cells(layer);
    float least = least_logit(layer);
    for (uint32_t anchor = 0; anchor < layer->anchor_count; anchor++) {
        const float *x = output + (uint64_t)anchor * planes(layer) * plane;
        for (uint32_t cell = 0; cell < plane && found < most; cell++, x++) {
            float logit = x[REGION_LAYER_COORDINATES * plane];
            if (!(logit >= least)) {
                continue;
            }
            float *candidate = workspace + (uint64_t)found * candidate_size(layer);
            const float *classes = x + (REGION_LAYER_COORDINATES + 1) * plane;
            if (find_classes(layer, classes, sigmoid(logit), candidate + CLASSES)) {
                find_box(layer, x, anchor, cell, candidate);
                found++;
            }
        }
    }
    return found;
}

static float overlap(float x1, float w1, float x2, float w2) {
    float left = fmaxf(x1 - w1 / 2, x2 - w2 / 2), right = fminf(x1 + w1 / 2, x2 + w2 / 2);
    return right - left;
}

// The part of their union that two boxes share.
static float shared_part(const float *a, const float *b) {
    float w = overlap(a[BOX_X], a[BOX_W], b[BOX_X], b[BOX_W]);
    float h = overlap(a[BOX_Y], a[BOX_H], b[BOX_Y], b[BOX_H]);
    float shared = w < 0 || h < 0 ? 0 : w * h;
    return shared / (a[BOX_W] * a[BOX_H] + b[BOX_W] * b[BOX_H] - shared);
}

// Of the candidates that have not been looked at for this class the one with the largest probability, or -1.
static int64_t next_best(const float *workspace, uint32_t size, uint32_t found, uint32_t class_index) {
    int64_t best = -1;
    float largest = 0;
    for (uint32_t i = 0; i < found; i++) {
        const float *candidate = workspace + (uint64_t)i * size;
        if (candidate[INDEX] == 0 && candidate[CLASSES + class_index] > largest) {
            best = i;
            largest = candidate[CLASSES + class_index];
        }
    }
    return best;
}

// Non-maximum suppression, class by class. INDEX marks who has been looked at.
static void suppress(const region_layer_t *layer, float *workspace, uint32_t found) {
    uint32_t size = candidate_size(layer);
    for (uint32_t class_index = 0; class_index < class_count(layer); class_index++) {
        for (uint32_t i = 0; i < found; i++) {
            workspace[(uint64_t)i * size + INDEX] = 0;
        }
        for (int64_t best; (best = next_best(workspace, size, found, class_index)) >= 0;) {
            float *chosen = workspace + (uint64_t)best * size;
            chosen[INDEX] = 1;
            for (uint32_t i = 0; i < found; i++) {
                float *other = workspace + (uint64_t)i * size;
                if (other[INDEX] == 0 && shared_part(chosen, other) > layer->nms) {
                    other[CLASSES + class_index] = 0;
                }
            }
        }
    }
}

// As this processor's conversion does: below 0 is 0, what is too large is the largest.
static uint32_t pixel(float value) {
    return !(value > 0) ? 0 : value >= 4294967040.f ? UINT32_MAX : (uint32_t)value;
}

static region_box_t box_of(const region_layer_t *layer, const float *candidate) {
    float image_w = layer->image_width, image_h = layer->image_height;
    uint32_t best = 0;
    for (uint32_t i = 1; i < class_count(layer); i++) {
        best = candidate[CLASSES + i] > candidate[CLASSES + best] ? i : best;
    }
    float x = candidate[BOX_X] * image_w, y = candidate[BOX_Y] * image_h;
    float half_w = candidate[BOX_W] * image_w / 2, half_h = candidate[BOX_H] * image_h / 2;
    uint32_t left = pixel(x - half_w), top = pixel(y - half_h);
    return (region_box_t){
        .x = left,
        .y = top,
        .w = pixel(x + half_w) - left,
        .h = pixel(y + half_h) - top,
        .class_index = best,
        .probability = candidate[CLASSES + best],
    };
}

uint32_t region_layer_run(
    const region_layer_t *layer, const float *output, uint32_t candidates, float *workspace, region_box_t *boxes) {
    uint32_t found = gather(layer, output, candidates, workspace), count = 0;
    suppress(layer, workspace, found);
    for (uint32_t i = 0; i < found; i++) {
        region_box_t box = box_of(layer, workspace + (uint64_t)i * candidate_size(layer));
        if (box.probability > layer->threshold) {
            boxes[count++] = box;
        }
    }
    return count;
}
