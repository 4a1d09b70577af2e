// SHA-256: the hash engine, and the same function in software for what the engine cannot do.
// Registers: Kendryte standalone SDK, sha256.h; use: its sha256.c and laanwj's k210-sdk-stuff,
// rust/k210-shared/src/soc/sha256.rs. Padding is the software's task.
//
// The engine wants the number of blocks before the first one, always starts from the standard's initial
// state, and has no register to give it another. So it cannot go on with a message that it has left,
// nor take one of unknown length. What it can do is give the state after the first whole blocks of a
// message: these go to the engine, at most 65,535 at once; what comes later is hashed in software from that
// state. A message that is at hand in one piece is thus the engine's work, and any number of contexts may
// be under way at the same time, on both harts.
#ifndef K210_SHA256_H
#define K210_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "platform.h"

#define SHA256_HASH_LEN (32)
#define SHA256_HASH_WORDS (8)
#define SHA256_BLOCK_LEN (64)

typedef struct {
    uint32_t result[SHA256_HASH_WORDS]; // 0x00: last word first
    uint32_t data_in; // 0x20
    uint32_t reserved0; // 0x24
    uint32_t num; // 0x28: blocks to come; those done in the upper half
    uint32_t function_0; // 0x2c
    uint32_t reserved1; // 0x30
    uint32_t function_1; // 0x34
} sha256_t;

#define sha256 ((volatile sha256_t *)SHA256_BASE_ADDR)

#define SHA256_MAX_BLOCKS (0xffff)

// function_0
#define SHA256_EN (1u << 0) // written: start; read: complete
#define SHA256_MEMORY_ORDER (1u << 16) // bytes of a word in the order in which memory has them

// function_1
#define SHA256_DMA_EN (1u << 0)
#define SHA256_FIFO_FULL (1u << 8)

typedef struct _sha256_context {
    size_t total_len; // bits so far
    size_t buffer_len;
    union {
        uint32_t words[SHA256_BLOCK_LEN / 4];
        uint8_t bytes[SHA256_BLOCK_LEN];
    } buffer; // what does not fill a block yet
    uint32_t state[SHA256_HASH_WORDS];
} sha256_context_t;

// Begins a message. `input_len` bytes are expected; the result does not depend on it, so any number will
// do where it is not known.
void sha256_init(sha256_context_t *context, size_t input_len);

// Adds `input_len` bytes to the message.
void sha256_update(sha256_context_t *context, const void *input, size_t input_len);

// Ends the message and stores its hash, 32 bytes; `output` may be NULL.
void sha256_final(sha256_context_t *context, uint8_t *output);

// The hash of a whole message.
void sha256_hard_calculate(const uint8_t *input, size_t input_len, uint8_t *output);

// A single step of the hash in software: the state after one more block of 64 bytes.
void sha256_compress(uint32_t state[SHA256_HASH_WORDS], const uint8_t *block);

#endif // K210_SHA256_H
