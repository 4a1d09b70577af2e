// MD5 and SHA-1 in software: the chip has no block for them.
#ifndef K210_DIGEST_H
#define K210_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BLOCK_LEN (64)
#define MD5_LEN (16)
#define SHA1_LEN (20)

typedef struct {
    uint64_t length; // bytes so far
    uint32_t state[5];
    uint8_t buffer[DIGEST_BLOCK_LEN]; // what does not fill a block yet
} digest_t;

void md5_init(digest_t *digest);
void md5_update(digest_t *digest, const uint8_t *data, size_t len);
void md5_final(digest_t *digest, uint8_t output[MD5_LEN]);

void sha1_init(digest_t *digest);
void sha1_update(digest_t *digest, const uint8_t *data, size_t len);
void sha1_final(digest_t *digest, uint8_t output[SHA1_LEN]);

#endif // K210_DIGEST_H
