#include <string.h>

#include "bsp.h"
#include "spi.h"
#include "sysctl.h"
#include "w25qxx.h"

// Addresses have 24 bits.
#define REACH (1u << 24)

// What one read transfers at most, so that the uncached memory it needs on the way is bounded.
#define READ_PIECE (16384)

// How long the chip may take, and how often it is asked. The data sheets' longest times are 15 ms for the
// status, 3 ms for a page, 400 ms, 1.6 s and 2 s for the three kinds of erase, 200 s for all.
#define STATUS_LIMIT_US (100000)
#define PROGRAM_LIMIT_US (20000)
#define PROGRAM_POLL_US (50)
#define ERASE_LIMIT_US (4000000)
#define ERASE_POLL_US (1000)
#define CHIP_ERASE_LIMIT_US (400000000)

static struct {
    spi_device_num_t num;
    spi_chip_select_t select;
    uint32_t rate, size;
    bool quad;
} chip;

// On one line, in bytes.

static void one_line(void) {
    spi_init(chip.num, SPI_WORK_MODE_0, SPI_FF_STANDARD, 8, 0);
    spi_set_clk_rate(chip.num, chip.rate);
}

static w25qxx_status_t send(const uint8_t *command, size_t length, const uint8_t *data, size_t data_length) {
    one_line();
    bool good = spi_send_data_standard(chip.num, chip.select, command, length, data, data_length);
    return good ? W25QXX_OK : W25QXX_ERROR;
}

static w25qxx_status_t send_byte(uint8_t command) {
    return send(&command, 1, NULL, 0);
}

static w25qxx_status_t ask(const uint8_t *command, size_t length, uint8_t *answer, size_t answer_length) {
    one_line();
    bool good = spi_receive_data_standard(chip.num, chip.select, command, length, answer, answer_length);
    return good ? W25QXX_OK : W25QXX_ERROR;
}

static w25qxx_status_t ask_byte(uint8_t command, uint8_t *answer) {
    return ask(&command, 1, answer, 1);
}

static void put_address(uint8_t *command, uint32_t addr) {
    command[1] = (uint8_t)(addr >> 16);
    command[2] = (uint8_t)(addr >> 8);
    command[3] = (uint8_t)addr;
}

w25qxx_status_t w25qxx_read_status_reg1(uint8_t *reg_data) {
    return ask_byte(READ_REG1, reg_data);
}

w25qxx_status_t w25qxx_read_status_reg2(uint8_t *reg_data) {
    return ask_byte(READ_REG2, reg_data);
}

w25qxx_status_t w25qxx_read_id(uint8_t *manuf_id, uint8_t *device_id) {
    const uint8_t command[4] = {READ_ID};
    uint8_t id[2] = {0};
    w25qxx_status_t status = ask(command, sizeof(command), id, sizeof(id));
    *manuf_id = id[0];
    *device_id = id[1];
    return status;
}

w25qxx_status_t w25qxx_read_jedec_id(uint8_t id[3]) {
    const uint8_t command = READ_JEDEC_ID;
    return ask(&command, 1, id, 3);
}

w25qxx_status_t w25qxx_read_unique_id(uint8_t id[8]) {
    const uint8_t command[5] = {READ_UNIQUE_ID};
    return ask(command, sizeof(command), id, 8);
}

w25qxx_status_t w25qxx_is_busy(void) {
    uint8_t status;
    w25qxx_status_t result = w25qxx_read_status_reg1(&status);
    return result != W25QXX_OK ? result : status & REG1_BUSY_MASK ? W25QXX_BUSY : W25QXX_OK;
}

static w25qxx_status_t wait_ready(uint32_t limit_us, uint32_t poll_us) {
    uint64_t start = sysctl_get_time_us();
    w25qxx_status_t status;
    while ((status = w25qxx_is_busy()) == W25QXX_BUSY && sysctl_get_time_us() - start < limit_us) {
        bsp_sleep_us(poll_us);
    }
    return status;
}

// Init.

static bool set_quad(uint8_t enable, const uint8_t *command, size_t length) {
    uint8_t status = 0;
    send_byte(enable);
    send(command, length, NULL, 0);
    return wait_ready(STATUS_LIMIT_US, ERASE_POLL_US) == W25QXX_OK && w25qxx_read_status_reg2(&status) == W25QXX_OK
        && status & REG2_QUAL_MASK;
}

// Four lines, for this power cycle if the chip can do that, else for good: boards leave the two pins to it.
static bool enable_quad(void) {
    uint8_t first, second;
    if (w25qxx_read_status_reg1(&first) != W25QXX_OK || w25qxx_read_status_reg2(&second) != W25QXX_OK) {
        return false;
    }
    uint8_t wanted = second | REG2_QUAL_MASK;
    const uint8_t one[] = {WRITE_REG2, wanted}, both[] = {WRITE_REG1, first, wanted};
    return second & REG2_QUAL_MASK || set_quad(WRITE_ENABLE_VOLATILE, one, sizeof(one))
        || set_quad(WRITE_ENABLE, one, sizeof(one)) || set_quad(WRITE_ENABLE, both, sizeof(both));
}

w25qxx_status_t w25qxx_init(uint8_t spi_index, uint8_t spi_ss, uint32_t rate) {
    chip.num = spi_index;
    chip.select = spi_ss;
    chip.rate = rate;
    chip.size = 0;
    sysctl->peri &= ~SYSCTL_PERI_SPI3_XIP;
    spi_keep_channel(chip.num);
    // Whatever the program before this one left it in: continuous reading, sleep, an erase under way.
    send_byte(QUAL_READ_RESET);
    send_byte(RELEASE_POWER_DOWN);
    bsp_sleep_us(3);
    uint8_t id[3] = {0};
    if (w25qxx_read_jedec_id(id) == W25QXX_OK && id[0] == 0xff) {
        // A busy chip does not answer that; one that is not there reads as ones, which is "busy" too.
        wait_ready(ERASE_LIMIT_US, ERASE_POLL_US);
        w25qxx_read_jedec_id(id);
    }
    if (id[0] == 0 || id[0] == 0xff || id[2] < 16 || id[2] > 31) {
        return W25QXX_ERROR;
    }
    w25qxx_status_t status = wait_ready(ERASE_LIMIT_US, ERASE_POLL_US);
    if (status == W25QXX_OK) {
        chip.quad = enable_quad();
        chip.size = 1u << id[2] < REACH ? 1u << id[2] : REACH;
    }
    return status;
}

uint32_t w25qxx_size(void) {
    return chip.size;
}

static bool is_inside(uint32_t addr, uint32_t length) {
    return addr <= chip.size && length <= chip.size - addr;
}

// Reading.

static void many_lines(spi_frame_format_t lines) {
    spi_init(chip.num, SPI_WORK_MODE_0, lines, 32, 0);
    spi_set_clk_rate(chip.num, chip.rate);
}

static bool read_words(uint32_t addr, uint8_t *to, uint32_t length) {
    if (!chip.quad) {
        const uint32_t command = (uint32_t)READ_DATA << 24 | addr;
        many_lines(SPI_FF_STANDARD);
        return spi_receive_bytes(chip.num, chip.select, &command, 1, to, length);
    }
    // The address is followed by eight mode bits; zeros leave no continuous mode.
    const uint32_t command[2] = {FAST_READ_QUAL_IO, addr << 8};
    many_lines(SPI_FF_QUAD);
    spi_init_non_standard(chip.num, 8, 32, 4, SPI_AITM_ADDR_STANDARD);
    return spi_receive_bytes(chip.num, chip.select, command, 2, to, length);
}

w25qxx_status_t w25qxx_read_data(uint32_t addr, uint8_t *data_buf, uint32_t length) {
    if (!is_inside(addr, length)) {
        return W25QXX_ERROR;
    }
    while (length) {
        uint32_t piece = length < READ_PIECE ? length & ~3u : READ_PIECE, word;
        bool whole = piece > 0;
        if (!read_words(addr, whole ? data_buf : (uint8_t *)&word, whole ? piece : sizeof(word))) {
            return W25QXX_ERROR;
        }
        if (!whole) {
            piece = length;
            memcpy(data_buf, &word, piece);
        }
        addr += piece;
        data_buf += piece;
        length -= piece;
    }
    return W25QXX_OK;
}

// Writing.

static bool program(uint32_t addr, const uint8_t *data, uint32_t length) {
    if (!chip.quad || length % sizeof(uint32_t)) {
        uint8_t command[4] = {PAGE_PROGRAM};
        put_address(command, addr);
        return send(command, sizeof(command), data, length) == W25QXX_OK;
    }
    const uint32_t command[2] = {QUAD_PAGE_PROGRAM, addr};
    many_lines(SPI_FF_QUAD);
    spi_init_non_standard(chip.num, 8, 24, 0, SPI_AITM_STANDARD);
    return spi_send_bytes(chip.num, chip.select, command, 2, data, length);
}

w25qxx_status_t w25qxx_write_data_direct(uint32_t addr, const uint8_t *data_buf, uint32_t length) {
    if (!is_inside(addr, length)) {
        return W25QXX_ERROR;
    }
    while (length) {
        uint32_t room = w25qxx_FLASH_PAGE_SIZE - addr % w25qxx_FLASH_PAGE_SIZE;
        uint32_t piece = length < room ? length : room;
        if (send_byte(WRITE_ENABLE) != W25QXX_OK || !program(addr, data_buf, piece)) {
            return W25QXX_ERROR;
        }
        w25qxx_status_t status = wait_ready(PROGRAM_LIMIT_US, PROGRAM_POLL_US);
        if (status != W25QXX_OK) {
            return status;
        }
        addr += piece;
        data_buf += piece;
        length -= piece;
    }
    return W25QXX_OK;
}

static w25qxx_status_t erase(uint8_t code, uint32_t addr) {
    uint8_t command[4] = {code};
    put_address(command, addr);
    if (!is_inside(addr, 1) || send_byte(WRITE_ENABLE) != W25QXX_OK || send(command, 4, NULL, 0) != W25QXX_OK) {
        return W25QXX_ERROR;
    }
    return wait_ready(ERASE_LIMIT_US, ERASE_POLL_US);
}

w25qxx_status_t w25qxx_sector_erase(uint32_t addr) {
    return erase(SECTOR_ERASE, addr);
}

w25qxx_status_t w25qxx_32k_block_erase(uint32_t addr) {
    return erase(BLOCK_32K_ERASE, addr);
}

w25qxx_status_t w25qxx_64k_block_erase(uint32_t addr) {
    return erase(BLOCK_64K_ERASE, addr);
}

w25qxx_status_t w25qxx_chip_erase(void) {
    if (chip.size == 0 || send_byte(WRITE_ENABLE) != W25QXX_OK || send_byte(CHIP_ERASE) != W25QXX_OK) {
        return W25QXX_ERROR;
    }
    return wait_ready(CHIP_ERASE_LIMIT_US, ERASE_POLL_US);
}

static bool needs_erase(const uint8_t *before, const uint8_t *after, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        if (after[i] & ~before[i]) {
            return true;
        }
    }
    return false;
}

// Programs those pages of a sector that are to change; `before` is what it holds.
static w25qxx_status_t write_pages(uint32_t sector, const uint8_t *before, const uint8_t *after) {
    w25qxx_status_t status = W25QXX_OK;
    for (uint32_t at = 0; at < w25qxx_FLASH_SECTOR_SIZE && status == W25QXX_OK; at += w25qxx_FLASH_PAGE_SIZE) {
        if (memcmp(before + at, after + at, w25qxx_FLASH_PAGE_SIZE) != 0) {
            status = w25qxx_write_data_direct(sector + at, after + at, w25qxx_FLASH_PAGE_SIZE);
        }
    }
    return status;
}

w25qxx_status_t w25qxx_write_data(uint32_t addr, const uint8_t *data_buf, uint32_t length) {
    static uint8_t before[w25qxx_FLASH_SECTOR_SIZE], after[w25qxx_FLASH_SECTOR_SIZE];
    if (!is_inside(addr, length)) {
        return W25QXX_ERROR;
    }
    while (length) {
        uint32_t offset = addr % w25qxx_FLASH_SECTOR_SIZE, sector = addr - offset;
        uint32_t room = w25qxx_FLASH_SECTOR_SIZE - offset, piece = length < room ? length : room;
        w25qxx_status_t status = w25qxx_read_data(sector, before, sizeof(before));
        memcpy(after, before, sizeof(after));
        memcpy(after + offset, data_buf, piece);
        if (status == W25QXX_OK && needs_erase(before, after, sizeof(after))) {
            status = w25qxx_sector_erase(sector);
            memset(before, 0xff, sizeof(before));
        }
        if (status == W25QXX_OK) {
            status = write_pages(sector, before, after);
        }
        if (status != W25QXX_OK) {
            return status;
        }
        addr += piece;
        data_buf += piece;
        length -= piece;
    }
    return W25QXX_OK;
}
