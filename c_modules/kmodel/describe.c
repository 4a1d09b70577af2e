// Errors as sentences. Numbers are written here: not every printf of a microcontroller knows 64 bits.
#include <string.h>

#include "kmodel_layers.h"

typedef struct {
    char *text;
    size_t size;
    size_t length; // of the whole, written or not
} sentence_t;

static void add_char(sentence_t *sentence, char c) {
    if (sentence->length + 1 < sentence->size) {
        sentence->text[sentence->length] = c;
        sentence->text[sentence->length + 1] = 0;
    }
    sentence->length++;
}

static void add_number(sentence_t *sentence, uint64_t number) {
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count != 0) {
        add_char(sentence, digits[--count]);
    }
}

// Each # is the next of two numbers.
static void add_text(sentence_t *sentence, const char *text, uint64_t first, uint64_t second) {
    for (; *text != 0; text++) {
        if (*text == '#') {
            add_number(sentence, first);
            first = second;
        } else {
            add_char(sentence, *text);
        }
    }
}

static void add_layer(sentence_t *sentence, const kmodel_error_t *error) {
    const char *name = kmodel_layer_name(error->type);
    add_text(sentence, "layer # (", error->layer, 0);
    if (name != NULL) {
        add_text(sentence, name, 0, 0);
    } else {
        add_text(sentence, "type #", error->type, 0);
    }
    add_text(sentence, ")", 0, 0);
}

static void add_error(sentence_t *sentence, const kmodel_error_t *error) {
    switch (error->status) {
        case KMODEL_OK:
            add_text(sentence, "no error", 0, 0);
            break;
        case KMODEL_ERASED:
            add_text(sentence, "erased flash: no model was written there; write one, or give another offset", 0, 0);
            break;
        case KMODEL_NOT_A_KMODEL:
            add_text(sentence, "not a kmodel: it starts with the number #, a kmodel of version 3 with #", error->has,
                error->needs);
            break;
        case KMODEL_TRUNCATED:
            add_text(sentence, "truncated: has # bytes, needs #", error->has, error->needs);
            break;
        case KMODEL_UNSUPPORTED_VERSION:
            add_text(sentence, "kmodel version # is not supported (# is)", error->needs, error->has);
            break;
        case KMODEL_UNSUPPORTED_LAYER:
            add_text(sentence, "layer # of type #", error->layer, error->type);
            if (kmodel_layer_name(error->type) != NULL) {
                add_text(sentence, " (", 0, 0);
                add_text(sentence, kmodel_layer_name(error->type), 0, 0);
                add_text(sentence, ")", 0, 0);
            }
            add_text(sentence, " is not supported", 0, 0);
            break;
        case KMODEL_INVALID:
            if (error->layer == KMODEL_NO_LAYER) {
                add_text(sentence, "the model cannot be run", 0, 0);
            } else {
                add_layer(sentence, error);
            }
            add_text(sentence, ": ", 0, 0);
            add_text(sentence, error->what, error->has, error->needs);
            break;
        case KMODEL_STOPPED:
            add_text(sentence, "stopped at ", 0, 0);
            add_layer(sentence, error);
            break;
    }
}

int kmodel_describe(const kmodel_error_t *error, char *text, size_t size) {
    sentence_t sentence = {text, size, 0};
    if (size != 0) {
        text[0] = 0;
    }
    add_error(&sentence, error);
    return (int)sentence.length;
}
