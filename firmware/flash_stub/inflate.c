#include <stdbool.h>
#include <string.h>

#include "codes.h"
#include "inflate.h"

#define LONGEST (15) // bits of a code
#define LITERALS (288)
#define DISTANCES (32)
#define ORDER_LENGTH (19)

const uint16_t length_base[LENGTH_CODES] = {
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
const uint8_t length_bits[LENGTH_CODES] = {
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
const uint16_t distance_base[DISTANCE_CODES] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385,
    513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
const uint8_t distance_bits[DISTANCE_CODES] = {
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

// Canonical codes: how many there are of each length, and their symbols in order.
typedef struct {
    uint16_t count[LONGEST + 1];
    uint16_t symbol[LITERALS];
} tree_t;

typedef struct {
    const uint8_t *at, *end;
    uint32_t hold;
    unsigned have;
    uint32_t missing; // bytes that were wanted after the end
    uint8_t *start, *to, *limit;
} state_t;

static tree_t literals, distances;

// At most 16 bits.
static uint32_t bits(state_t *s, unsigned count) {
    while (s->have < count) {
        if (s->at < s->end) {
            s->hold |= (uint32_t)*s->at++ << s->have;
        } else {
            s->missing++;
        }
        s->have += 8;
    }
    uint32_t value = s->hold & ((1u << count) - 1);
    s->hold >>= count;
    s->have -= count;
    return value;
}

static int decode(state_t *s, const tree_t *tree) {
    int code = 0, first = 0, index = 0;
    for (unsigned length = 1; length <= LONGEST; length++) {
        code |= (int)bits(s, 1);
        int count = tree->count[length];
        if (code - first < count) {
            return tree->symbol[index + code - first];
        }
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return -1;
}

// False for more codes than their lengths have room for. Fewer are allowed: what has no code ends decode().
static bool build(tree_t *tree, const uint8_t *lengths, unsigned count) {
    uint16_t next[LONGEST + 2];
    memset(tree->count, 0, sizeof(tree->count));
    for (unsigned i = 0; i < count; i++) {
        tree->count[lengths[i]]++;
    }
    tree->count[0] = 0;
    int left = 1;
    next[1] = 0;
    for (unsigned length = 1; length <= LONGEST; length++) {
        left = 2 * left - tree->count[length];
        if (left < 0) {
            return false;
        }
        next[length + 1] = (uint16_t)(next[length] + tree->count[length]);
    }
    for (unsigned i = 0; i < count; i++) {
        if (lengths[i]) {
            tree->symbol[next[lengths[i]]++] = (uint16_t)i;
        }
    }
    return true;
}

static bool stored(state_t *s) {
    s->hold = 0;
    s->have = 0;
    if (s->end - s->at < 4) {
        return false;
    }
    uint32_t length = s->at[0] | (uint32_t)s->at[1] << 8, check = s->at[2] | (uint32_t)s->at[3] << 8;
    s->at += 4;
    if (length != (check ^ 0xffff) || length > (uint32_t)(s->end - s->at) || length > (uint32_t)(s->limit - s->to)) {
        return false;
    }
    memcpy(s->to, s->at, length);
    s->at += length;
    s->to += length;
    return true;
}

static void fixed_trees(void) {
    uint8_t lengths[LITERALS];
    memset(lengths, 8, LITERALS);
    memset(lengths + 144, 9, END_OF_BLOCK - 144);
    memset(lengths + END_OF_BLOCK, 7, 280 - END_OF_BLOCK);
    build(&literals, lengths, LITERALS);
    memset(lengths, 5, DISTANCE_CODES);
    build(&distances, lengths, DISTANCE_CODES);
}

static bool read_lengths(state_t *s, uint8_t *lengths, unsigned count) {
    for (unsigned i = 0; i < count;) {
        int symbol = decode(s, &literals);
        if (symbol < 0 || s->missing) {
            return false;
        }
        if (symbol < 16) {
            lengths[i++] = (uint8_t)symbol;
            continue;
        }
        if (symbol == 16 && i == 0) {
            return false;
        }
        uint8_t value = symbol == 16 ? lengths[i - 1] : 0;
        unsigned times = symbol == 16 ? 3 + bits(s, 2) : symbol == 17 ? 3 + bits(s, 3) : 11 + bits(s, 7);
        if (times > count - i) {
            return false;
        }
        memset(lengths + i, value, times);
        i += times;
    }
    return true;
}

static bool dynamic_trees(state_t *s) {
    static const uint8_t order[ORDER_LENGTH] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + DISTANCES] = {0};
    unsigned literal_count = bits(s, 5) + 257, distance_count = bits(s, 5) + 1, count = bits(s, 4) + 4;
    if (literal_count > 286 || distance_count > DISTANCE_CODES) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        lengths[order[i]] = (uint8_t)bits(s, 3);
    }
    // The tree of the lengths uses the place of the first tree that they describe.
    if (!build(&literals, lengths, ORDER_LENGTH)) {
        return false;
    }
    memset(lengths, 0, ORDER_LENGTH);
    return read_lengths(s, lengths, literal_count + distance_count) && build(&literals, lengths, literal_count)
        && build(&distances, lengths + literal_count, distance_count);
}

static bool copy(state_t *s, int length_code) {
    if (length_code >= LENGTH_CODES) {
        return false;
    }
    uint32_t length = length_base[length_code] + bits(s, length_bits[length_code]);
    int code = decode(s, &distances);
    if (code < 0 || code >= DISTANCE_CODES) {
        return false;
    }
    uint32_t distance = distance_base[code] + bits(s, distance_bits[code]);
    if (distance > (uint32_t)(s->to - s->start) || length > (uint32_t)(s->limit - s->to)) {
        return false;
    }
    for (; length; length--, s->to++) {
        *s->to = *(s->to - distance);
    }
    return true;
}

static bool coded(state_t *s) {
    for (;;) {
        int symbol = decode(s, &literals);
        if (symbol < 0 || s->missing > 1) {
            return false;
        }
        if (symbol == END_OF_BLOCK) {
            return true;
        }
        if (symbol > END_OF_BLOCK) {
            if (!copy(s, symbol - END_OF_BLOCK - 1)) {
                return false;
            }
        } else if (s->to < s->limit) {
            *s->to++ = (uint8_t)symbol;
        } else {
            return false;
        }
    }
}

int32_t inflate(const uint8_t *from, uint32_t length, uint8_t *to, uint32_t room, uint32_t before) {
    state_t s = {.at = from, .end = from + length, .start = to - before, .to = to, .limit = to + room};
    bool last, good;
    do {
        last = bits(&s, 1);
        uint32_t kind = bits(&s, 2);
        if (kind == 1) {
            fixed_trees();
        }
        good = kind == 0 ? stored(&s) : kind < 3 && (kind == 1 || dynamic_trees(&s)) && coded(&s);
        good = good && !s.missing;
    } while (good && !last);
    return good ? (int32_t)(s.to - to) : -1;
}
