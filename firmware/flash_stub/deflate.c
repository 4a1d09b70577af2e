#include <stdbool.h>
#include <string.h>

#include "codes.h"
#include "deflate.h"

#define HASH_BITS (12)
#define SHORTEST (3)
#define LONGEST (258)
#define FARTHEST (32768)

typedef struct {
    uint8_t *to, *limit;
    uint64_t hold;
    unsigned have;
} sink_t;

// One more than where three bytes with this hash were seen last.
static uint32_t seen[1 << HASH_BITS];

static void put(sink_t *s, uint32_t value, unsigned count) {
    s->hold |= (uint64_t)value << s->have;
    for (s->have += count; s->have >= 8; s->have -= 8, s->hold >>= 8) {
        if (s->to < s->limit) {
            *s->to = (uint8_t)s->hold;
        }
        s->to++; // beyond the limit too, which tells of it
    }
}

// Codes go out with their highest bit first.
static void put_code(sink_t *s, uint32_t code, unsigned count) {
    uint32_t turned = 0;
    for (unsigned i = 0; i < count; i++) {
        turned = turned << 1 | (code >> i & 1);
    }
    put(s, turned, count);
}

static void put_symbol(sink_t *s, uint32_t symbol) {
    if (symbol < 144) {
        put_code(s, 0x30 + symbol, 8);
    } else if (symbol < END_OF_BLOCK) {
        put_code(s, 0x190 + symbol - 144, 9);
    } else if (symbol < 280) {
        put_code(s, symbol - END_OF_BLOCK, 7);
    } else {
        put_code(s, 0xc0 + symbol - 280, 8);
    }
}

static unsigned code_of(const uint16_t *base, unsigned codes, uint32_t value) {
    while (base[--codes] > value) {
    }
    return codes;
}

static void put_match(sink_t *s, uint32_t length, uint32_t distance) {
    unsigned code = code_of(length_base, LENGTH_CODES, length);
    put_symbol(s, END_OF_BLOCK + 1 + code);
    put(s, length - length_base[code], length_bits[code]);
    code = code_of(distance_base, DISTANCE_CODES, distance);
    put_code(s, code, 5);
    put(s, distance - distance_base[code], distance_bits[code]);
}

static uint32_t hash(const uint8_t *at) {
    uint32_t three = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
    return three * 0x9e3779b1u >> (32 - HASH_BITS);
}

// How far `a` is as `b`.
static uint32_t common(const uint8_t *a, const uint8_t *b, uint32_t most) {
    uint32_t count = 0;
    while (count < most && a[count] == b[count]) {
        count++;
    }
    return count;
}

uint32_t deflate(const uint8_t *from, uint32_t length, uint8_t *to, uint32_t room) {
    sink_t s = {.to = to, .limit = to + room};
    memset(seen, 0, sizeof(seen));
    put(&s, 3, 3); // the last block, fixed codes
    for (uint32_t at = 0; at < length && s.to <= s.limit;) {
        uint32_t left = length - at, matching = 0, distance = 0;
        if (left >= SHORTEST) {
            uint32_t *place = &seen[hash(from + at)];
            distance = at + 1 - *place;
            if (*place && distance <= FARTHEST) {
                matching = common(from + at, from + *place - 1, left < LONGEST ? left : LONGEST);
            }
            *place = at + 1;
        }
        if (matching < SHORTEST) {
            put_symbol(&s, from[at++]);
            continue;
        }
        put_match(&s, matching, distance);
        for (at++; --matching; at++) {
            if (length - at >= SHORTEST) {
                seen[hash(from + at)] = at + 1;
            }
        }
    }
    put_symbol(&s, END_OF_BLOCK);
    put(&s, 0, 7);
    return s.to <= s.limit ? (uint32_t)(s.to - to) : 0;
}
