#ifndef STUB_DEFLATE_H
#define STUB_DEFLATE_H

#include <stdint.h>

// Compresses at most 64 KiB to raw deflate (RFC 1951): one block of fixed codes. Returns its length, or 0 when it does
// not fit `room` bytes.
uint32_t deflate(const uint8_t *from, uint32_t length, uint8_t *to, uint32_t room);

#endif // STUB_DEFLATE_H
