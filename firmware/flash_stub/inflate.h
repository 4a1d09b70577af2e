#ifndef STUB_INFLATE_H
#define STUB_INFLATE_H

#include <stdint.h>

// Inflates raw deflate (RFC 1951) from `from` to `to`, before which lie `before` bytes of a dictionary. Returns how
// many bytes came out, or -1 when the data is damaged or does not end within `length` bytes, or more than `room` would
// come out.
int32_t inflate(const uint8_t *from, uint32_t length, uint8_t *to, uint32_t room, uint32_t before);

#endif // STUB_INFLATE_H
