#include <stdbool.h>
#include <string.h>

#include "atomic.h"
#include "sha256.h"
#include "sysctl.h"

// Below that the engine's reset, some 10 us, takes longer than hashing in software.
#define HARD_MIN_BLOCKS (4)
// The engine takes a block in 64 of its clocks or so; a thousand times that means that it is stuck.
#define MAX_POLLS (100000)

static const uint32_t initial_state[SHA256_HASH_WORDS] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// FIPS 180-4, 4.2.2.
static const uint32_t round_constant[64] = {0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7,
    0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c,
    0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// Who uses the engine; others hash in software meanwhile instead of waiting.
static spinlock_t engine = SPINLOCK_INIT;

static inline uint32_t rotate(uint32_t x, unsigned n) {
    return x >> n | x << (32 - n);
}

static inline uint32_t load_big_endian(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// FIPS 180-4, 6.2.2, with the message schedule in a ring of 16 words.
void sha256_compress(uint32_t state[SHA256_HASH_WORDS], const uint8_t *block) {
    uint32_t w[16];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (unsigned i = 0; i < 64; i++) {
        if (i < 16) {
            w[i] = load_big_endian(block + 4 * i);
        } else {
            uint32_t x = w[(i + 1) & 15], y = w[(i + 14) & 15];
            w[i & 15] +=
                w[(i + 9) & 15] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
        }
        uint32_t t =
            h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + round_constant[i] + w[i & 15];
        uint32_t u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));
        h = g;
        g = f;
        f = e;
        e = d + t;
        d = c;
        c = b;
        b = a;
        a = t + u;
    }
    const uint32_t after[SHA256_HASH_WORDS] = {a, b, c, d, e, f, g, h};
    for (unsigned i = 0; i < SHA256_HASH_WORDS; i++) {
        state[i] += after[i];
    }
}

static bool becomes(volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    for (unsigned i = 0; i < MAX_POLLS; i++) {
        if ((*reg & mask) == value) {
            return true;
        }
    }
    return false;
}

static void engine_start(size_t blocks) {
    sysctl_clock_enable(SYSCTL_CLOCK_SHA);
    sysctl_reset(SYSCTL_RESET_SHA);
    sha256->num = (uint32_t)blocks;
    sha256->function_1 = 0;
    sha256->function_0 = SHA256_MEMORY_ORDER;
    sha256->function_0 = SHA256_MEMORY_ORDER | SHA256_EN;
}

// False when the engine does not take them.
static bool engine_feed(const uint8_t *data, size_t blocks) {
    for (size_t i = 0; i < blocks * (SHA256_BLOCK_LEN / 4); i++, data += 4) {
        uint32_t word;
        memcpy(&word, data, sizeof(word));
        if (!becomes(&sha256->function_1, SHA256_FIFO_FULL, 0)) {
            return false;
        }
        sha256->data_in = word;
    }
    return true;
}

// The state after the last block; false when the engine does not come to an end.
static bool engine_result(uint32_t state[SHA256_HASH_WORDS]) {
    if (!becomes(&sha256->function_0, SHA256_EN, SHA256_EN)) {
        return false;
    }
    for (unsigned i = 0; i < SHA256_HASH_WORDS; i++) {
        state[i] = __builtin_bswap32(sha256->result[SHA256_HASH_WORDS - 1 - i]);
    }
    return true;
}

// The state after `blocks` blocks at `data` and `more` blocks at `rest`, from the initial state. False when
// the engine is in use, cannot take so many or does not answer; `state` is as before then.
static bool engine_hash(
    uint32_t state[SHA256_HASH_WORDS], const uint8_t *data, size_t blocks, const uint8_t *rest, size_t more) {
    if (blocks + more > SHA256_MAX_BLOCKS || spinlock_trylock(&engine)) {
        return false;
    }
    engine_start(blocks + more);
    bool done = engine_feed(data, blocks) && engine_feed(rest, more) && engine_result(state);
    sysctl_clock_disable(SYSCTL_CLOCK_SHA);
    spinlock_unlock(&engine);
    return done;
}

// The first blocks of a message, as many as the engine takes; returns their number.
static size_t hash_first(sha256_context_t *context, const uint8_t *data, size_t blocks) {
    blocks = blocks < SHA256_MAX_BLOCKS ? blocks : SHA256_MAX_BLOCKS;
    return blocks >= HARD_MIN_BLOCKS && engine_hash(context->state, data, blocks, NULL, 0) ? blocks : 0;
}

// Stores the end of the message: its last bytes, the padding and the length. Returns the number of blocks.
static size_t pad(uint8_t tail[2 * SHA256_BLOCK_LEN], const uint8_t *data, size_t length, uint64_t total_bits) {
    size_t blocks = length + 9 > SHA256_BLOCK_LEN ? 2 : 1;
    memset(tail, 0, 2 * SHA256_BLOCK_LEN);
    if (length) {
        memcpy(tail, data, length);
    }
    tail[length] = 0x80;
    for (unsigned i = 0; i < 8; i++) {
        tail[blocks * SHA256_BLOCK_LEN - 1 - i] = (uint8_t)(total_bits >> 8 * i);
    }
    return blocks;
}

static void store(const uint32_t state[SHA256_HASH_WORDS], uint8_t *output) {
    for (unsigned i = 0; i < SHA256_HASH_LEN; i++) {
        output[i] = (uint8_t)(state[i / 4] >> (24 - i % 4 * 8));
    }
}

void sha256_init(sha256_context_t *context, size_t input_len) {
    (void)input_len;
    context->total_len = 0;
    context->buffer_len = 0;
    memcpy(context->state, initial_state, sizeof(initial_state));
}

void sha256_update(sha256_context_t *context, const void *input, size_t input_len) {
    const uint8_t *data = input;
    if (context->total_len == 0) {
        size_t done = hash_first(context, data, input_len / SHA256_BLOCK_LEN) * SHA256_BLOCK_LEN;
        context->total_len = done * 8;
        data += done;
        input_len -= done;
    }
    context->total_len += input_len * 8;
    while (context->buffer_len + input_len >= SHA256_BLOCK_LEN) {
        const uint8_t *block = data;
        size_t taken = SHA256_BLOCK_LEN - context->buffer_len;
        if (context->buffer_len != 0) {
            memcpy(context->buffer.bytes + context->buffer_len, data, taken);
            block = context->buffer.bytes;
        }
        sha256_compress(context->state, block);
        context->buffer_len = 0;
        data += taken;
        input_len -= taken;
    }
    if (input_len) {
        memcpy(context->buffer.bytes + context->buffer_len, data, input_len);
        context->buffer_len += input_len;
    }
}

void sha256_final(sha256_context_t *context, uint8_t *output) {
    uint8_t tail[2 * SHA256_BLOCK_LEN];
    size_t blocks = pad(tail, context->buffer.bytes, context->buffer_len, context->total_len);
    for (size_t i = 0; i < blocks; i++) {
        sha256_compress(context->state, tail + i * SHA256_BLOCK_LEN);
    }
    if (output) {
        store(context->state, output);
    }
}

void sha256_hard_calculate(const uint8_t *input, size_t input_len, uint8_t *output) {
    uint8_t tail[2 * SHA256_BLOCK_LEN];
    uint32_t state[SHA256_HASH_WORDS];
    size_t blocks = input_len / SHA256_BLOCK_LEN;
    size_t more = pad(tail, input + blocks * SHA256_BLOCK_LEN, input_len % SHA256_BLOCK_LEN, (uint64_t)input_len * 8);
    if (engine_hash(state, input, blocks, tail, more)) {
        store(state, output);
    } else {
        sha256_context_t context;
        sha256_init(&context, input_len);
        sha256_update(&context, input, input_len);
        sha256_final(&context, output);
    }
}
