// The SPI NOR flash chip on SPI3: Winbond W25Qxx and what is compatible with it (GigaDevice GD25Qxx).
// Commands and times: Winbond W25Q128FW and W25Q128JV data sheets; function names: Kendryte standalone
// demo, flash_w25qxx.
//
// Reading and programming use four lines and DMA; waiting for the chip sleeps. The chip is left in no mode
// that the mask ROM does not find after power-on: quad mode is switched on in the volatile status
// register where the chip has one, and no read leaves it in continuous mode. One caller at a time.
#ifndef K210_W25QXX_H
#define K210_W25QXX_H

#include <stdbool.h>
#include <stdint.h>

#define w25qxx_FLASH_PAGE_SIZE (256)
#define w25qxx_FLASH_SECTOR_SIZE (4096)
#define W25QXX_BLOCK_32K_SIZE (32768)
#define W25QXX_BLOCK_64K_SIZE (65536)

// Bits a second and line: what the chip's slowest command bears.
#define W25QXX_RATE (50000000)

// Commands
#define WRITE_ENABLE (0x06)
#define WRITE_ENABLE_VOLATILE (0x50)
#define READ_REG1 (0x05)
#define READ_REG2 (0x35)
#define WRITE_REG1 (0x01)
#define WRITE_REG2 (0x31)
#define READ_DATA (0x03) // up to 50 MHz
#define FAST_READ_QUAL_IO (0xeb)
#define QUAL_READ_RESET (0xff)
#define PAGE_PROGRAM (0x02)
#define QUAD_PAGE_PROGRAM (0x32)
#define SECTOR_ERASE (0x20)
#define BLOCK_32K_ERASE (0x52)
#define BLOCK_64K_ERASE (0xd8)
#define CHIP_ERASE (0xc7)
#define READ_ID (0x90)
#define READ_JEDEC_ID (0x9f)
#define READ_UNIQUE_ID (0x4b)
#define RELEASE_POWER_DOWN (0xab)

#define REG1_BUSY_MASK (0x01)
#define REG2_QUAL_MASK (0x02)

typedef enum _w25qxx_status {
    W25QXX_OK = 0,
    W25QXX_BUSY,
    W25QXX_ERROR,
} w25qxx_status_t;

// Finds the chip behind chip select `spi_ss` of SPI `spi_index` (3 and 0 on all boards) and learns its size; at
// most `rate` bits a second and line. W25QXX_ERROR: none answers; W25QXX_BUSY: it does not come to rest.
w25qxx_status_t w25qxx_init(uint8_t spi_index, uint8_t spi_ss, uint32_t rate);

// Bytes of the chip, or 0 before w25qxx_init() found one. What is beyond 16 MiB is not reached.
uint32_t w25qxx_size(void);

w25qxx_status_t w25qxx_read_id(uint8_t *manuf_id, uint8_t *device_id);

// Manufacturer, type, capacity as a power of two.
w25qxx_status_t w25qxx_read_jedec_id(uint8_t id[3]);
w25qxx_status_t w25qxx_read_unique_id(uint8_t id[8]);
w25qxx_status_t w25qxx_read_status_reg1(uint8_t *reg_data);
w25qxx_status_t w25qxx_read_status_reg2(uint8_t *reg_data);

// W25QXX_BUSY while it programs or erases.
w25qxx_status_t w25qxx_is_busy(void);

// Any address and length in the chip; W25QXX_ERROR outside it or when no data came.
w25qxx_status_t w25qxx_read_data(uint32_t addr, uint8_t *data_buf, uint32_t length);

// Programs erased bytes (bits go from 1 to 0 only), page by page.
w25qxx_status_t w25qxx_write_data_direct(uint32_t addr, const uint8_t *data_buf, uint32_t length);

// Makes the bytes what they shall be and keeps those around them, erasing sectors where that needs it.
w25qxx_status_t w25qxx_write_data(uint32_t addr, const uint8_t *data_buf, uint32_t length);

// What holds `addr` becomes 0xff. They return when that is done: after 45, 120, 150 ms, the whole
// chip after 40 s (typically, at most ten times that).
w25qxx_status_t w25qxx_sector_erase(uint32_t addr);
w25qxx_status_t w25qxx_32k_block_erase(uint32_t addr);
w25qxx_status_t w25qxx_64k_block_erase(uint32_t addr);
w25qxx_status_t w25qxx_chip_erase(void);

#endif // K210_W25QXX_H
