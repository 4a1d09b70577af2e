// What both directions of deflate (RFC 1951) share.
#ifndef STUB_CODES_H
#define STUB_CODES_H

#include <stdint.h>

#define END_OF_BLOCK (256)
#define LENGTH_CODES (29)
#define DISTANCE_CODES (30)

// The lengths and distances at which codes begin, and how many bits follow each code: RFC 1951, 3.2.5.
extern const uint16_t length_base[LENGTH_CODES], distance_base[DISTANCE_CODES];
extern const uint8_t length_bits[LENGTH_CODES], distance_bits[DISTANCE_CODES];

#endif // STUB_CODES_H
