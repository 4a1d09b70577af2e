// memcpy(), memmove(), memset() and memcmp(), a word at a time. picolibc's of Debian are built for size: a byte at a
// time, six instructions each.
//
// No access is misaligned. What is read beyond a source's end lies in the aligned word that holds its last byte.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias)) word_t;

#define WORD (sizeof(word_t))
// Below this, getting aligned costs more than it brings.
#define SHORT (16)

static size_t to_alignment(const void *at) {
    return -(uintptr_t)at % WORD;
}

static void copy_up_bytes(uint8_t *to, const uint8_t *from, size_t count) {
    while (count--) {
        *to++ = *from++;
    }
}

static void copy_down_bytes(uint8_t *to, const uint8_t *from, size_t count) {
    while (count--) {
        to[count] = from[count];
    }
}

static void copy_up_words(word_t *to, const word_t *from, size_t count) {
    for (; count >= 8; count -= 8, to += 8, from += 8) {
        word_t a = from[0], b = from[1], c = from[2], d = from[3];
        word_t e = from[4], f = from[5], g = from[6], h = from[7];
        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = d;
        to[4] = e;
        to[5] = f;
        to[6] = g;
        to[7] = h;
    }
    while (count--) {
        *to++ = *from++;
    }
}

// Words out of two that the source's bytes lie across.
static void copy_up_shifted(word_t *to, const uint8_t *from, size_t count) {
    unsigned low = (uintptr_t)from % WORD * 8, high = 64 - low;
    const word_t *next = (const word_t *)(from - (uintptr_t)from % WORD);
    word_t word = *next++;
    while (count--) {
        word_t after = *next++;
        *to++ = word >> low | after << high;
        word = after;
    }
}

static void copy_up(uint8_t *to, const uint8_t *from, size_t count) {
    if (count >= SHORT) {
        size_t head = to_alignment(to);
        copy_up_bytes(to, from, head);
        to += head;
        from += head;
        count -= head;
        size_t words = count / WORD;
        if ((uintptr_t)from % WORD == 0) {
            copy_up_words((word_t *)to, (const word_t *)from, words);
        } else {
            copy_up_shifted((word_t *)to, from, words);
        }
        to += words * WORD;
        from += words * WORD;
        count %= WORD;
    }
    copy_up_bytes(to, from, count);
}

// From the end; the places overlap.
static void copy_down(uint8_t *to, const uint8_t *from, size_t count) {
    if (count >= SHORT && ((uintptr_t)to - (uintptr_t)from) % WORD == 0) {
        size_t tail = (uintptr_t)(to + count) % WORD;
        count -= tail;
        copy_down_bytes(to + count, from + count, tail);
        while (count >= WORD) {
            count -= WORD;
            *(word_t *)(to + count) = *(const word_t *)(from + count);
        }
    }
    copy_down_bytes(to, from, count);
}

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
    copy_up(to, from, count);
    return to;
}

// Upwards is right for a target below its source at any distance: every word is read before its place is written.
void *memmove(void *to, const void *from, size_t count) {
    size_t ahead = (uintptr_t)to - (uintptr_t)from;
    if (ahead < count) {
        copy_down(to, from, count);
    } else {
        copy_up(to, from, count);
    }
    return to;
}

void *memset(void *to, int value, size_t count) {
    uint8_t *at = to;
    if (count >= SHORT) {
        size_t head = to_alignment(at);
        count -= head;
        while (head--) {
            *at++ = (uint8_t)value;
        }
        word_t *words = (word_t *)at, pattern = (uint8_t)value * UINT64_C(0x0101010101010101);
        for (; count >= 8 * WORD; count -= 8 * WORD, words += 8) {
            words[0] = words[1] = words[2] = words[3] = pattern;
            words[4] = words[5] = words[6] = words[7] = pattern;
        }
        for (; count >= WORD; count -= WORD) {
            *words++ = pattern;
        }
        at = (uint8_t *)words;
    }
    while (count--) {
        *at++ = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t count) {
    const uint8_t *p = a, *q = b;
    if ((((uintptr_t)p | (uintptr_t)q) % WORD) == 0) {
        while (count >= WORD && *(const word_t *)p == *(const word_t *)q) {
            p += WORD;
            q += WORD;
            count -= WORD;
        }
    }
    for (; count; count--, p++, q++) {
        if (*p != *q) {
            return *p - *q;
        }
    }
    return 0;
}
