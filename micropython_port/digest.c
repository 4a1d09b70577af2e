// MD5: RFC 1321. SHA-1: FIPS 180-4, 6.1.
#include <stdbool.h>
#include <string.h>

#include "digest.h"

typedef void (*compress_t)(uint32_t *state, const uint8_t *block);

static inline uint32_t rotate(uint32_t x, unsigned n) {
    return x << n | x >> (32 - n);
}

static inline uint32_t load(const uint8_t *p, bool big_endian) {
    uint32_t x = (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
    return big_endian ? __builtin_bswap32(x) : x;
}

// floor(2**32 * abs(sin(i + 1)))
static const uint32_t sine[64] = {0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613,
    0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6,
    0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681,
    0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085,
    0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039,
    0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82,
    0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static void md5_compress(uint32_t *state, const uint8_t *block) {
    static const uint8_t shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (unsigned i = 0; i < 64; i++) {
        uint32_t f;
        unsigned word;
        switch (i / 16) {
            case 0:
                f = d ^ (b & (c ^ d));
                word = i;
                break;
            case 1:
                f = c ^ (d & (b ^ c));
                word = 5 * i + 1;
                break;
            case 2:
                f = b ^ c ^ d;
                word = 3 * i + 5;
                break;
            default:
                f = c ^ (b | ~d);
                word = 7 * i;
                break;
        }
        f += a + sine[i] + load(block + word % 16 * 4, false);
        a = d;
        d = c;
        c = b;
        b += rotate(f, shifts[i / 16][i % 4]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

static void sha1_compress(uint32_t *state, const uint8_t *block) {
    uint32_t w[16];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (unsigned i = 0; i < 80; i++) {
        if (i < 16) {
            w[i] = load(block + 4 * i, true);
        } else {
            w[i % 16] = rotate(w[(i + 13) % 16] ^ w[(i + 8) % 16] ^ w[(i + 2) % 16] ^ w[i % 16], 1);
        }
        uint32_t f;
        switch (i / 20) {
            case 0:
                f = (d ^ (b & (c ^ d))) + 0x5a827999;
                break;
            case 1:
                f = (b ^ c ^ d) + 0x6ed9eba1;
                break;
            case 2:
                f = ((b & c) | (d & (b | c))) + 0x8f1bbcdc;
                break;
            default:
                f = (b ^ c ^ d) + 0xca62c1d6;
                break;
        }
        f += rotate(a, 5) + e + w[i % 16];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = f;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

static void init(digest_t *digest) {
    static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    digest->length = 0;
    memcpy(digest->state, initial, sizeof(initial));
}

static void update(digest_t *digest, compress_t compress, const uint8_t *data, size_t len) {
    size_t held = digest->length % DIGEST_BLOCK_LEN;
    digest->length += len;
    while (held + len >= DIGEST_BLOCK_LEN) {
        size_t taken = DIGEST_BLOCK_LEN - held;
        if (held) {
            memcpy(digest->buffer + held, data, taken);
        }
        compress(digest->state, held ? digest->buffer : data);
        held = 0;
        data += taken;
        len -= taken;
    }
    if (len) {
        memcpy(digest->buffer + held, data, len);
    }
}

static void final(digest_t *digest, compress_t compress, uint8_t *output, size_t output_len, bool big_endian) {
    static const uint8_t padding[DIGEST_BLOCK_LEN] = {0x80};
    uint64_t bits = digest->length * 8;
    size_t held = digest->length % DIGEST_BLOCK_LEN;
    update(digest, compress, padding, (held < 56 ? 56 : 120) - held);
    uint8_t length[8];
    for (unsigned i = 0; i < 8; i++) {
        length[i] = (uint8_t)(bits >> (big_endian ? 56 - 8 * i : 8 * i));
    }
    update(digest, compress, length, sizeof(length));
    for (unsigned i = 0; i < output_len; i++) {
        output[i] = (uint8_t)(digest->state[i / 4] >> (big_endian ? 24 - i % 4 * 8 : i % 4 * 8));
    }
}

void md5_init(digest_t *digest) {
    init(digest);
}

void md5_update(digest_t *digest, const uint8_t *data, size_t len) {
    update(digest, md5_compress, data, len);
}

void md5_final(digest_t *digest, uint8_t output[MD5_LEN]) {
    final(digest, md5_compress, output, MD5_LEN, false);
}

void sha1_init(digest_t *digest) {
    init(digest);
}

void sha1_update(digest_t *digest, const uint8_t *data, size_t len) {
    update(digest, sha1_compress, data, len);
}

void sha1_final(digest_t *digest, uint8_t output[SHA1_LEN]) {
    final(digest, sha1_compress, output, SHA1_LEN, true);
}
