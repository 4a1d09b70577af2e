#include <string.h>

#include "chip.h"
#include "pause.h"
#include "spi3.h"
#include "sysctl.h"
#include "w25qxx.h"

// A 24-bit address reaches no further.
#define REACH_BITS (24)
#define SMALLEST_BITS (16)

#define WRITE_DISABLE (0x04)
#define READ_REG3 (0x15)
#define ENABLE_RESET (0x66)
#define RESET_CHIP (0x99)

#define REG1_PROTECTION (0x7c)
#define REG2_COMPLEMENT (0x40)
#define REG3_BLOCK_LOCKS (0x04)

// W25Q128JV: 30 us; GD25Q128: 12 ms out of an erase.
#define RESET_TIME_US (50)
#define RESET_LIMIT_US (100000)
#define STATUS_LIMIT_US (100000)
#define SHORTEST_REST_US (10)
#define LONGEST_REST_US (20000)

// What a chip may take, in the slowest data sheet (w25qxx.c) and more; and how long the last one took.
typedef struct {
    uint8_t code;
    uint32_t size, limit_us, usual_us;
} kind_t;

static kind_t program = {PAGE_PROGRAM, PAGE, 20000, 400};
static kind_t erase_4k = {SECTOR_ERASE, SECTOR, 4000000, 45000};
static kind_t erase_32k = {BLOCK_32K_ERASE, BLOCK_32K, 4000000, 120000};
static kind_t erase_64k = {BLOCK_64K_ERASE, BLOCK, 4000000, 150000};
static kind_t erase_chip = {CHIP_ERASE, 0, 400000000, 1000000};

chip_t chip;

static bool quad;

// ---- Commands

static void say(uint8_t code) {
    spi3_command(&code, 1, NULL, 0);
}

static uint8_t ask(uint8_t code) {
    uint8_t answer;
    spi3_command(&code, 1, &answer, 1);
    return answer;
}

static void say_at(uint8_t code, uint32_t address) {
    const uint8_t command[4] = {code, (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address};
    spi3_command(command, sizeof(command), NULL, 0);
}

static uint32_t at_least(uint32_t value, uint32_t least) {
    return value > least ? value : least;
}

static void rest(uint64_t us) {
    pause_us(us < LONGEST_REST_US ? us : LONGEST_REST_US);
    still_working();
}

// Sleeps for most of the usual time, then looks often.
static bool wait_ready(uint64_t start, uint32_t usual_us, uint32_t limit_us) {
    uint64_t passed;
    while ((passed = sysctl_get_time_us() - start) < usual_us - usual_us / 8) {
        rest(usual_us - usual_us / 8 - passed);
    }
    while (ask(READ_REG1) & REG1_BUSY_MASK) {
        if (sysctl_get_time_us() - start > limit_us) {
            return false;
        }
        rest(at_least(usual_us / 32, SHORTEST_REST_US));
    }
    return true;
}

// Waits for the end of what began at `start`, and learns from it how long that takes.
static bool finish(kind_t *kind, uint64_t start) {
    if (!wait_ready(start, kind->usual_us, kind->limit_us)) {
        return false;
    }
    uint32_t took = (uint32_t)(sysctl_get_time_us() - start);
    kind->usual_us = took < kind->usual_us ? took : kind->usual_us + (took - kind->usual_us) / 4;
    return true;
}

// ---- Finding it

// Whose status register 2 is read by 0x35 and has the quad bit at 1, as Winbond's: GigaDevice, XTX, Puya,
// Boya, Zbit. To others 0x35 may mean something else (Macronix: all commands on four lines from now on).
static bool is_like_winbond(void) {
    static const uint8_t ids[] = {0xef, 0xc8, 0x0b, 0x85, 0x68, 0x5e};
    return memchr(ids, chip.id[0], sizeof(ids)) != NULL;
}

static void read_status(void) {
    bool has_three = is_like_winbond();
    chip.status[0] = ask(READ_REG1);
    chip.status[1] = has_three ? ask(READ_REG2) : 0;
    chip.status[2] = has_three ? ask(READ_REG3) : 0;
}

// Four lines until the next power cycle, and only if they give what one line gives.
static void try_quad(void) {
    uint64_t slow[PAGE / 8], fast[PAGE / 8];
    quad = false;
    if (!is_like_winbond()) {
        return;
    }
    if (!(chip.status[1] & REG2_QUAL_MASK)) {
        const uint8_t command[] = {WRITE_REG2, chip.status[1] | REG2_QUAL_MASK};
        say(WRITE_ENABLE_VOLATILE);
        spi3_command(command, sizeof(command), NULL, 0);
        wait_ready(sysctl_get_time_us(), 0, STATUS_LIMIT_US);
        read_status();
    }
    quad = chip.status[1] & REG2_QUAL_MASK && spi3_read(0, (uint8_t *)slow, PAGE, false)
        && spi3_read(0, (uint8_t *)fast, PAGE, true) && memcmp(slow, fast, PAGE) == 0;
}

static void read_id(void) {
    const uint8_t command = READ_JEDEC_ID;
    spi3_command(&command, 1, chip.id, sizeof(chip.id));
}

static bool has_answer(void) {
    return chip.id[0] != 0 && chip.id[0] != 0xff && chip.id[2] >= SMALLEST_BITS && chip.id[2] < 32;
}

status_t chip_find(void) {
    chip.size = 0;
    spi3_set_slow(false);
    // Whatever the program before this one left it in: continuous reading, sleep, an erase under way.
    say(QUAL_READ_RESET);
    say(RELEASE_POWER_DOWN);
    pause_us(RESET_TIME_US);
    say(ENABLE_RESET);
    say(RESET_CHIP);
    uint64_t limit = sysctl_get_time_us() + RESET_LIMIT_US;
    do {
        pause_us(RESET_TIME_US);
        read_id();
    } while (!has_answer() && sysctl_get_time_us() < limit);
    if (!has_answer()) {
        return STATUS_NO_CHIP;
    }
    if (!wait_ready(sysctl_get_time_us(), 0, erase_64k.limit_us)) {
        return STATUS_CHIP_SLOW;
    }
    chip.size = 1u << (chip.id[2] < REACH_BITS ? chip.id[2] : REACH_BITS);
    read_status();
    try_quad();
    return STATUS_DONE;
}

// ---- Reading and writing

bool chip_read(uint32_t address, uint8_t *to, uint32_t length) {
    return spi3_read(address, to, length, quad);
}

static bool erase(kind_t *kind, uint32_t address) {
    uint64_t start = sysctl_get_time_us();
    say(WRITE_ENABLE);
    say_at(kind->code, address);
    return finish(kind, start);
}

static bool program_page(uint32_t address, const uint8_t *data) {
    uint64_t start = sysctl_get_time_us();
    say(WRITE_ENABLE);
    spi3_program(address, data);
    return finish(&program, start);
}

static bool is_blank(const uint8_t *data, uint32_t length) {
    const uint64_t *words = (const uint64_t *)data;
    for (uint32_t i = 0; i < length / 8; i++) {
        if (words[i] != UINT64_MAX) {
            return false;
        }
    }
    return true;
}

// Whether a sector has to be erased: some bit has to become 1.
static bool needs_erase(const uint8_t *present, const uint8_t *wanted) {
    const uint64_t *before = (const uint64_t *)present, *after = (const uint64_t *)wanted;
    for (uint32_t i = 0; i < SECTOR / 8; i++) {
        if (after[i] & ~before[i]) {
            return true;
        }
    }
    return false;
}

// A bit for each sector: which have to be erased, and which lose nothing by it.
typedef struct {
    uint32_t needed, blank;
} sectors_t;

static sectors_t look(const uint8_t *present, const uint8_t *wanted, uint32_t length) {
    sectors_t sectors = {0};
    for (uint32_t at = 0; at < length; at += SECTOR) {
        uint32_t bit = 1u << at / SECTOR;
        bool blank = is_blank(present + at, SECTOR);
        sectors.blank |= blank ? bit : 0;
        sectors.needed |= !blank && (!wanted || needs_erase(present + at, wanted + at)) ? bit : 0;
    }
    return sectors;
}

// Whether one erase of `kind` at `at` (in the chip) does no harm and is faster than one for each sector.
static bool suits(const kind_t *kind, sectors_t sectors, uint32_t at, uint32_t first, uint32_t length) {
    uint32_t count = kind->size / SECTOR, mask = ((1u << count) - 1) << first;
    bool fits = at % kind->size == 0 && first + count <= length / SECTOR;
    return fits && ((sectors.needed | sectors.blank) & mask) == mask
        && (uint32_t)__builtin_popcount(sectors.needed & mask) * erase_4k.usual_us > kind->usual_us;
}

static bool erase_sectors(uint32_t address, uint8_t *present, uint32_t length, sectors_t sectors, chip_work_t *work) {
    for (uint32_t i = 0; i < length / SECTOR;) {
        uint32_t at = address + i * SECTOR;
        kind_t *kind = suits(&erase_64k, sectors, at, i, length) ? &erase_64k
            : suits(&erase_32k, sectors, at, i, length)          ? &erase_32k
                                                                 : &erase_4k;
        uint32_t count = kind->size / SECTOR, found = sectors.needed >> i & ((1u << count) - 1);
        if (found) {
            work->at = at;
            if (!erase(kind, at)) {
                return false;
            }
            memset(present + i * SECTOR, 0xff, kind->size);
            work->sectors_erased += (uint32_t)__builtin_popcount(found);
        }
        i += count;
    }
    return true;
}

static bool program_pages(
    uint32_t address, const uint8_t *wanted, const uint8_t *present, uint32_t length, chip_work_t *work) {
    for (uint32_t at = 0; at < length; at += PAGE, work->done += PAGE) {
        if (memcmp(present + at, wanted + at, PAGE) == 0) {
            continue;
        }
        work->at = address + at;
        if (!program_page(address + at, wanted + at)) {
            return false;
        }
        work->pages_programmed++;
    }
    return true;
}

static status_t refusal(void) {
    say(WRITE_DISABLE); // a command that was refused leaves the chip ready to be written
    read_status();
    bool protected =
        chip.status[0] & REG1_PROTECTION || chip.status[1] & REG2_COMPLEMENT || chip.status[2] & REG3_BLOCK_LOCKS;
    return protected ? STATUS_PROTECTED : STATUS_NOT_AS_WRITTEN;
}

// Where the two differ first, or `length`.
static uint32_t difference(const uint8_t *a, const uint8_t *b, uint32_t length) {
    uint32_t at = 0;
    while (at < length && (b ? a[at] == b[at] : a[at] == 0xff)) {
        at++;
    }
    return at;
}

static bool reads_as(uint32_t address, const uint8_t *wanted, uint8_t *present, uint32_t length, chip_work_t *work) {
    uint32_t at = chip_read(address, present, length) ? difference(present, wanted, length) : 0;
    work->at = address + at;
    return at == length;
}

// Reads back. Where it differs, reading may be at fault: then one line and a lower rate are used from now on.
static status_t verify(uint32_t address, const uint8_t *wanted, uint8_t *present, uint32_t length, chip_work_t *work) {
    if (reads_as(address, wanted, present, length, work)) {
        return STATUS_DONE;
    }
    bool was_quad = quad;
    quad = false;
    spi3_set_slow(true);
    if (reads_as(address, wanted, present, length, work)) {
        return STATUS_DONE;
    }
    quad = was_quad;
    spi3_set_slow(false);
    return refusal();
}

status_t chip_write(uint32_t address, const uint8_t *wanted, uint8_t *present, uint32_t length, chip_work_t *work) {
    work->at = address;
    if (!chip_read(address, present, length)) {
        return STATUS_NOT_AS_WRITTEN;
    }
    if (memcmp(present, wanted, length) == 0) {
        return STATUS_DONE;
    }
    if (!erase_sectors(address, present, length, look(present, wanted, length), work)
        || !program_pages(address, wanted, present, length, work)) {
        return STATUS_CHIP_SLOW;
    }
    return verify(address, wanted, present, length, work);
}

static status_t erase_block(uint32_t address, uint32_t length, uint8_t *scratch, chip_work_t *work) {
    work->at = address;
    if (!chip_read(address, scratch, length)) {
        return STATUS_NOT_AS_WRITTEN;
    }
    sectors_t sectors = look(scratch, NULL, length);
    if (!sectors.needed) {
        return STATUS_DONE;
    }
    if (!erase_sectors(address, scratch, length, sectors, work)) {
        return STATUS_CHIP_SLOW;
    }
    return verify(address, NULL, scratch, length, work);
}

status_t chip_erase(uint32_t address, uint32_t length, uint8_t *scratch, chip_work_t *work) {
    status_t status = STATUS_DONE;
    while (length && status == STATUS_DONE) {
        uint32_t room = BLOCK - address % BLOCK, piece = length < room ? length : room;
        still_working();
        status = erase_block(address, piece, scratch, work);
        work->done += piece;
        address += piece;
        length -= piece;
    }
    return status;
}

// How many sectors hold anything.
static uint32_t count_used(uint8_t *scratch) {
    uint32_t used = 0;
    for (uint32_t at = 0; at < chip.size; at += BLOCK) {
        still_working();
        chip_read(at, scratch, BLOCK);
        used += (uint32_t)__builtin_popcount(look(scratch, NULL, BLOCK).needed);
    }
    return used;
}

// By one command when most of the chip is in use; it takes as long as erasing every block does.
status_t chip_erase_all(uint8_t *scratch, chip_work_t *work) {
    if (count_used(scratch) > chip.size / SECTOR / 8 * 7) {
        uint64_t start = sysctl_get_time_us();
        work->at = 0;
        say(WRITE_ENABLE);
        say(erase_chip.code);
        if (!finish(&erase_chip, start)) {
            return STATUS_CHIP_SLOW;
        }
        work->sectors_erased = chip.size / SECTOR;
    }
    return chip_erase(0, chip.size, scratch, work);
}
