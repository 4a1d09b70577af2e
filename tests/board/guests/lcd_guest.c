// An ST7789 on SPI0 with eight data lines: pads 39 (clock), 36 (select 3), 38 (D/C, GPIOHS 2),
// 37 (reset, GPIOHS 0). Draws a red field with a green and a blue corner.
// Expectations: Sitronix ST7789V datasheet; Kendryte standalone demo, lcd.

#include "check.h"
#include "chip.h"
#include "fpioa.h"
#include "sysctl.h"

#define BUS SPI(0)
#define WIDTH (320)
#define HEIGHT (240)

static void start(unsigned bits, unsigned instruction_bits, unsigned address_bits) {
    R32(BUS, 0x08) = 0;
    R32(BUS, 0x14) = 40;
    R32(BUS, 0x00) = 1 << 8 | (bits - 1) << 16 | 3u << 21; // transmit only, octal
    unsigned code = instruction_bits == 0 ? 0 : instruction_bits == 8 ? 2 : 3;
    R32(BUS, 0xf4) = code << 8 | address_bits / 4 << 2 | 2; // all of it on eight lines
    R32(BUS, 0x08) = 1;
}

static void finish(void) {
    while ((R32(BUS, 0x28) & 5) != 4) {
    }
    R32(BUS, 0x10) = 0;
    R32(BUS, 0x08) = 0;
}

static void send(bool data, const uint8_t *bytes, unsigned count) {
    R32(GPIOHS, 0x0c) = 1 | (data ? 4 : 0);
    start(8, 8, 0);
    for (unsigned i = 0; i < count; i++) {
        R32(BUS, 0x60) = bytes[i];
    }
    R32(BUS, 0x10) = 8;
    finish();
}

static void command(uint8_t number, const uint8_t *parameters, unsigned count) {
    send(false, &number, 1);
    if (count) {
        send(true, parameters, count);
    }
}

static void area(unsigned x, unsigned y, unsigned width, unsigned height) {
    unsigned right = x + width - 1, bottom = y + height - 1;
    uint8_t columns[4] = {(uint8_t)(x >> 8), (uint8_t)x, (uint8_t)(right >> 8), (uint8_t)right};
    uint8_t rows[4] = {(uint8_t)(y >> 8), (uint8_t)y, (uint8_t)(bottom >> 8), (uint8_t)bottom};
    command(0x2a, columns, 4);
    command(0x2b, rows, 4);
    command(0x2c, NULL, 0);
}

static uint32_t line[WIDTH / 2];

static void fill(unsigned x, unsigned y, unsigned width, unsigned height, uint16_t colour, bool dma) {
    area(x, y, width, height);
    uint32_t two = (uint32_t)colour << 16 | colour;
    for (unsigned i = 0; i < width / 2; i++) {
        line[i] = two;
    }
    R32(GPIOHS, 0x0c) = 1 | 4;
    for (unsigned row = 0; row < height; row++) {
        start(32, 0, 32);
        if (dma) {
            R32(BUS, 0x4c) = 2;
            dma_start(0, DMA_TO_DEVICE, DMA_SPI0_TX, (uintptr_t)line, BUS + 0x60, 2, width / 2);
            R32(BUS, 0x10) = 8;
            dma_wait(0);
            R32(BUS, 0x4c) = 0;
        } else {
            R32(BUS, 0x10) = 8;
            for (unsigned i = 0; i < width / 2; i++) {
                while (!(R32(BUS, 0x28) & 2)) {
                }
                R32(BUS, 0x60) = line[i];
            }
        }
        finish();
    }
}

int main(void) {
    checks_begin();
    fpioa_set_function(39, FUNC_SPI0_SCLK);
    fpioa_set_function(36, FUNC_SPI0_SS3);
    fpioa_set_function(38, FUNC_GPIOHS0 + 2);
    fpioa_set_function(37, FUNC_GPIOHS0);
    R32(GPIOHS, 0x08) = 5;
    R32(GPIOHS, 0x0c) = 0;
    sysctl->misc |= 1u << 10;
    wait_us(10000);
    R32(GPIOHS, 0x0c) = 1;
    wait_us(10000);
    command(0x01, NULL, 0);
    wait_us(10000);
    command(0x11, NULL, 0);
    wait_us(10000);
    uint8_t format = 0x55, direction = 0xa0;
    command(0x3a, &format, 1);
    command(0x36, &direction, 1);
    command(0x29, NULL, 0);
    fill(0, 0, WIDTH, HEIGHT, 0xf800, true);
    fill(0, 0, 40, 30, 0x07e0, false);
    fill(WIDTH - 40, HEIGHT - 30, 40, 30, 0x001f, true);
    check("drawn", R32(BUS, 0x28) & 1, 0);
    checks_done();
}
