// The serial line: UART3 on pads 4 and 5, and the frames on it (docs/flash_protocol.md).
//
// The interrupt of the UART takes bytes out of its FIFO into frames, and bytes to be sent into it, whatever the hart
// does meanwhile.
#ifndef STUB_LINE_H
#define STUB_LINE_H

#include <stdbool.h>
#include <stdint.h>

#define LINE_FIRST_BAUD (115200)

// Operation, number, body, CRC-32. The longest body is that of a write; deflate makes random data a little longer.
#define FRAME_OVERHEAD (6)
#define FRAME_BODY_MAX (9 + 65536 + 256)

// One is worked on, two wait, one arrives.
#define FRAME_COUNT (4)

typedef struct {
    uint32_t length; // without the CRC
    bool damaged; // by its CRC, or something before it was
    uint8_t data[FRAME_BODY_MAX + FRAME_OVERHEAD];
} frame_t;

typedef enum { LINE_FRAME, LINE_DAMAGED, LINE_SILENT } line_event_t;

void line_init(void);

// The rate that comes nearest to `baud`, in bits a second; 0 when it is more than 2 % away, or slower than 9600.
uint32_t line_nearest(uint32_t baud);

// Sends what is to be sent, then changes the rate. What arrives meanwhile is lost.
void line_set_baud(uint32_t baud);

// Waits for the next frame, at most until `limit` of sysctl_get_time_us(). It stays in place until line_done().
line_event_t line_next(frame_t **frame, uint64_t limit);
void line_done(void);

// That of zlib.
uint32_t line_crc(const uint8_t *data, uint32_t count);

// A frame to the host: beginning, any number of bytes, end, at which it starts to leave. line_flush() waits until all
// is out.
void line_begin(uint8_t operation, uint8_t number);
void line_bytes(const void *data, uint32_t count);
void line_u32(uint32_t value);
void line_end(void);
void line_flush(void);

#endif // STUB_LINE_H
