// The flasher's stub: requests come over the serial line, are done on the flash chip, and answered.
// docs/flash_protocol.md says what they are.

#include <string.h>

#include "bsp.h"
#include "chip.h"
#include "deflate.h"
#include "inflate.h"
#include "line.h"
#include "sha256.h"
#include "spi3.h"
#include "sysctl.h"

#define VERSION (1)
#define REQUESTS_HELD (2)
#define CPU_FREQ (390000000u)
#define SLOW_CPU_FREQ (300000000u)

#define OPERATION_DAMAGED (0xff)
#define REPLY (0x80)

// How the data of a write is packed, and where it begins in the request.
#define DEFLATED (1)
#define DEFLATED_WITH_CHIP (2)
#define WRITE_HEAD (9)
#define PART_HEAD (20)
#define DICTIONARY_MAX (BLOCK / 2)
#define PART_MAX (BLOCK - DICTIONARY_MAX)

#define UNDER_WAY_US (500000)
#define BAUD_TRIAL_US (300000)

#define PIECE_HASH (8)
// What the hash engine takes in one go, less its padding.
#define HASH_AT_ONCE ((SHA256_MAX_BLOCKS - 2) * SHA256_BLOCK_LEN)

typedef struct {
    const uint8_t *body;
    uint32_t length;
} request_t;

static struct {
    uint8_t operation, number;
    uint64_t told; // when the host heard of it last
    uint32_t total; // bytes that it is about
} present;

static chip_work_t work; // what has been done of it

static struct {
    uint32_t now, before;
    uint64_t until; // when to go back, or 0
} baud;

// Multiples of eight; the second has room for the hashes of all sectors of a chip too.
static uint64_t old_data[BLOCK / 8], new_data[BLOCK / 8 + 1];
#define OLD ((uint8_t *)old_data)
#define NEW ((uint8_t *)new_data)

// All memory that nothing else uses: link.ld.
extern uint8_t _heap_start[];

static uint32_t get_u32(const uint8_t *from) {
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

// ---- Replies

static void begin_reply(status_t status) {
    uint8_t byte = (uint8_t)status;
    line_begin(present.operation | REPLY, present.number);
    line_bytes(&byte, 1);
    present.told = sysctl_get_time_us();
}

static void reply_only(status_t status) {
    begin_reply(status);
    line_end();
}

void still_working(void) {
    if (sysctl_get_time_us() - present.told >= UNDER_WAY_US) {
        begin_reply(STATUS_UNDER_WAY);
        line_u32(work.done);
        line_u32(present.total);
        line_end();
    }
}

// What a reply says that something failed; `at` is where.
static void reply_failure(status_t status, uint32_t at) {
    begin_reply(status);
    if (status == STATUS_NO_CHIP) {
        line_bytes(chip.id, sizeof(chip.id));
    } else if (status == STATUS_PROTECTED) {
        line_bytes(chip.status, sizeof(chip.status));
    } else if (status == STATUS_OUTSIDE_CHIP) {
        line_u32(chip.size);
    } else if (status == STATUS_CHIP_SLOW || status == STATUS_NOT_AS_WRITTEN) {
        line_u32(at);
    }
    line_end();
}

// ---- Operations

static void hello(request_t request) {
    static const uint8_t version[2] = {VERSION, 0}, held = REQUESTS_HELD;
    if (request.length != 4 || memcmp(request.body, "K210", 4) != 0) {
        reply_only(STATUS_WRONG_ARGUMENT);
        return;
    }
    begin_reply(STATUS_DONE);
    line_bytes(version, sizeof(version));
    line_u32(FRAME_BODY_MAX);
    line_bytes(&held, 1);
    line_u32(baud.now);
    line_end();
}

static void change_baud(request_t request) {
    uint32_t nearest = request.length == 4 ? line_nearest(get_u32(request.body)) : 0;
    if (!nearest) {
        reply_only(STATUS_WRONG_ARGUMENT);
        return;
    }
    begin_reply(STATUS_DONE);
    line_u32(nearest);
    line_end();
    line_set_baud(nearest);
    baud.before = baud.now;
    baud.now = nearest;
    baud.until = sysctl_get_time_us() + BAUD_TRIAL_US;
}

static void describe(request_t request) {
    status_t status = request.length == 1 ? chip_find() : STATUS_WRONG_ARGUMENT;
    if (status != STATUS_DONE) {
        reply_failure(status, 0);
        return;
    }
    begin_reply(STATUS_DONE);
    line_bytes(chip.id, sizeof(chip.id));
    line_u32(chip.size);
    line_bytes(chip.status, sizeof(chip.status));
    line_end();
}

// Whether a range can be worked on. Looks for the chip when nobody has asked for it yet.
static status_t check(uint32_t offset, uint32_t bytes) {
    status_t status = chip.size ? STATUS_DONE : chip_find();
    bool inside = offset <= chip.size && bytes <= chip.size - offset;
    return status == STATUS_DONE && !inside ? STATUS_OUTSIDE_CHIP : status;
}

static void read(request_t request) {
    uint32_t offset = 0, bytes = 0;
    status_t status = STATUS_WRONG_ARGUMENT;
    if (request.length == 9 && request.body[8] <= 1) {
        offset = get_u32(request.body);
        bytes = get_u32(request.body + 4);
        if (bytes > 0 && bytes <= BLOCK) {
            status = check(offset, bytes);
        }
    }
    if (status == STATUS_DONE && !chip_read(offset, OLD, bytes)) {
        status = STATUS_CHIP_SLOW;
    }
    if (status != STATUS_DONE) {
        reply_failure(status, offset);
        return;
    }
    uint32_t deflated = request.body[8] ? deflate(OLD, bytes, NEW, bytes - 1) : 0;
    uint8_t is_deflated = deflated > 0;
    begin_reply(STATUS_DONE);
    line_u32(offset);
    line_u32(bytes);
    line_bytes(&is_deflated, 1);
    line_bytes(deflated ? NEW : OLD, deflated ? deflated : bytes);
    line_end();
}

// Of a range in the chip. False when it could not be read.
static bool hash_range(uint32_t offset, uint32_t bytes, uint8_t *hash) {
    uint32_t first = bytes < HASH_AT_ONCE ? bytes : HASH_AT_ONCE;
    for (uint32_t at = 0; at < first; at += BLOCK) {
        still_working();
        if (!chip_read(offset + at, _heap_start + at, first - at < BLOCK ? first - at : BLOCK)) {
            return false;
        }
    }
    work.done += first;
    if (first == bytes) {
        sha256_hard_calculate(_heap_start, bytes, hash);
        return true;
    }
    // What the engine cannot take any more is hashed by software, which continues from the engine's state.
    sha256_context_t context;
    sha256_init(&context, bytes);
    sha256_update(&context, _heap_start, first);
    for (uint32_t at = first; at < bytes; at += BLOCK) {
        uint32_t piece = bytes - at < BLOCK ? bytes - at : BLOCK;
        still_working();
        if (!chip_read(offset + at, OLD, piece)) {
            return false;
        }
        sha256_update(&context, OLD, piece);
        work.done += piece;
    }
    sha256_final(&context, hash);
    return true;
}

static void hash(request_t request) {
    uint32_t offset = 0, bytes = 0, piece = 0, length = 0;
    status_t status = STATUS_WRONG_ARGUMENT;
    if (request.length == 12) {
        offset = get_u32(request.body);
        bytes = get_u32(request.body + 4);
        piece = get_u32(request.body + 8);
        if (bytes && piece && (piece % SECTOR == 0 || piece == bytes)) {
            status = check(offset, bytes);
        }
    }
    present.total = bytes;
    for (uint32_t at = 0; status == STATUS_DONE && at < bytes; at += piece) {
        uint8_t whole[SHA256_HASH_LEN];
        uint32_t part = bytes - at < piece ? bytes - at : piece, count = piece >= bytes ? SHA256_HASH_LEN : PIECE_HASH;
        if (!hash_range(offset + at, part, whole)) {
            status = STATUS_CHIP_SLOW;
        }
        memcpy(NEW + length, whole, count);
        length += count;
        if (bytes - at <= piece) {
            break;
        }
    }
    if (status != STATUS_DONE) {
        reply_failure(status, offset);
        return;
    }
    begin_reply(STATUS_DONE);
    line_bytes(NEW, length);
    line_end();
}

static void erase(request_t request) {
    uint32_t offset = 0, bytes = 0;
    status_t status = STATUS_WRONG_ARGUMENT;
    if (request.length == 8) {
        offset = get_u32(request.body);
        bytes = get_u32(request.body + 4);
        if (offset % SECTOR == 0 && bytes % SECTOR == 0 && (bytes || !offset)) {
            status = check(offset, bytes);
        }
    }
    if (status == STATUS_DONE) {
        present.total = bytes ? bytes : chip.size;
        status = bytes ? chip_erase(offset, bytes, OLD, &work) : chip_erase_all(OLD, &work);
    }
    if (status != STATUS_DONE) {
        reply_failure(status, work.at);
        return;
    }
    begin_reply(STATUS_DONE);
    line_u32(work.sectors_erased * SECTOR);
    line_end();
}

// Data in parts that refer each to something that the chip holds now. If that is not what the host took it for, the
// part's checksum tells. `OLD` is free until the writing: a dictionary comes to its first half, what is made of it to
// its second.
static status_t unpack_part(const uint8_t *head, uint32_t bytes, uint32_t length) {
    uint32_t offset = get_u32(head + 4), before = get_u32(head + 8);
    if (before > DICTIONARY_MAX || before % sizeof(uint64_t)) {
        return STATUS_WRONG_ARGUMENT;
    }
    status_t status = check(offset, before);
    if (status != STATUS_DONE) {
        return status;
    }
    uint8_t *to = OLD + DICTIONARY_MAX;
    if (before && !chip_read(offset, to - before, before)) {
        return STATUS_CHIP_SLOW;
    }
    bool good = inflate(head + PART_HEAD, length, to, bytes, before) == (int32_t)bytes
        && line_crc(to, bytes) == get_u32(head + 12);
    return good ? STATUS_DONE : STATUS_DATA_DAMAGED;
}

static status_t unpack_parts(const uint8_t *data, uint32_t length, uint32_t bytes) {
    uint32_t at = 0;
    while (at < bytes) {
        uint32_t part = length >= PART_HEAD ? get_u32(data) : 0, packed = part ? get_u32(data + 16) : 0;
        if (!part || part > PART_MAX || part > bytes - at || packed > length - PART_HEAD) {
            return STATUS_WRONG_ARGUMENT;
        }
        status_t status = unpack_part(data, part, packed);
        if (status != STATUS_DONE) {
            return status;
        }
        memcpy(NEW + at, OLD + DICTIONARY_MAX, part);
        at += part;
        data += PART_HEAD + packed;
        length -= PART_HEAD + packed;
    }
    return length ? STATUS_WRONG_ARGUMENT : STATUS_DONE;
}

// Brings the data of a write to `NEW`.
static status_t unpack(request_t request, uint32_t bytes) {
    const uint8_t *data = request.body + WRITE_HEAD;
    uint32_t length = request.length - WRITE_HEAD;
    if (request.body[8] == DEFLATED_WITH_CHIP) {
        return unpack_parts(data, length, bytes);
    }
    if (request.body[8] == DEFLATED) {
        return inflate(data, length, NEW, bytes, 0) == (int32_t)bytes ? STATUS_DONE : STATUS_DATA_DAMAGED;
    }
    if (length != bytes) {
        return STATUS_WRONG_ARGUMENT;
    }
    memcpy(NEW, data, bytes);
    return STATUS_DONE;
}

static void write(request_t request) {
    uint32_t offset = 0, bytes = 0;
    status_t status = STATUS_WRONG_ARGUMENT;
    if (request.length >= WRITE_HEAD && request.body[8] <= DEFLATED_WITH_CHIP) {
        offset = get_u32(request.body);
        bytes = get_u32(request.body + 4);
        if (offset % SECTOR == 0 && bytes % SECTOR == 0 && bytes > 0 && bytes <= BLOCK) {
            status = check(offset, bytes);
        }
    }
    if (status == STATUS_DONE) {
        status = unpack(request, bytes);
    }
    if (status == STATUS_DONE) {
        present.total = bytes;
        status = chip_write(offset, NEW, OLD, bytes, &work);
    }
    if (status != STATUS_DONE) {
        reply_failure(status, work.at);
        return;
    }
    uint8_t hash[SHA256_HASH_LEN];
    sha256_hard_calculate(OLD, bytes, hash);
    begin_reply(STATUS_DONE);
    line_u32(work.sectors_erased);
    line_u32(work.pages_programmed);
    line_bytes(hash, sizeof(hash));
    line_end();
}

static void reset(request_t request) {
    reply_only(request.length == 1 ? STATUS_DONE : STATUS_WRONG_ARGUMENT);
    if (request.length == 1) {
        line_flush();
        sysctl_reset(SYSCTL_RESET_SOC);
    }
}

static void serve(const frame_t *frame) {
    static void (*const operations[])(request_t) = {hello, change_baud, describe, read, hash, erase, write, reset};
    const unsigned count = sizeof(operations) / sizeof(operations[0]);
    present.operation = frame->data[0];
    present.number = frame->data[1];
    present.told = sysctl_get_time_us();
    present.total = 0;
    memset(&work, 0, sizeof(work));
    unsigned index = present.operation - 1u;
    if (index < count) {
        operations[index]((request_t){frame->data + 2, frame->length - 2});
    } else {
        reply_only(STATUS_UNKNOWN_OPERATION);
    }
}

static void report_damage(void) {
    present.operation = OPERATION_DAMAGED;
    present.number = 0;
    reply_only(STATUS_FRAME_DAMAGED);
}

int main(void) {
    bool complained = false;
    if (sysctl_cpu_get_freq() < SLOW_CPU_FREQ) {
        sysctl_cpu_set_freq(CPU_FREQ);
    }
    baud.now = LINE_FIRST_BAUD;
    line_init();
    spi3_init();
    for (;;) {
        frame_t *frame;
        switch (line_next(&frame, baud.until ? baud.until : UINT64_MAX)) {
            case LINE_FRAME:
                complained = false;
                baud.until = 0;
                serve(frame);
                line_done();
                break;
            case LINE_DAMAGED:
                if (!complained) {
                    report_damage();
                }
                complained = true;
                break;
            case LINE_SILENT:
                baud.now = baud.before;
                baud.until = 0;
                line_set_baud(baud.now);
                break;
        }
    }
}
