// I2C 0 with a 24C02 at 0x50 on pads 10 (clock) and 11 (data).
// Expectations: Kendryte standalone SDK, i2c.h, i2c.c; Atmel AT24C02 datasheet.

#include "check.h"
#include "chip.h"
#include "fpioa.h"
#include "sysctl.h"

#define BUS I2C(0)
#define DATA_CMD R32(BUS, 0x10)
#define READ (1u << 8)

static void setup(uint32_t address) {
    R32(BUS, 0x6c) = 0;
    R32(BUS, 0x00) = 0x61 | 1 << 1;
    R32(BUS, 0x04) = address;
    R32(BUS, 0x14) = R32(BUS, 0x18) = 3900 / 2; // 390 MHz / 3900: 100 kHz
    R32(BUS, 0x30) = 0;
    R32(BUS, 0x6c) = 1;
}

static bool finish(void) {
    while (R32(BUS, 0x70) & 1) { // activity
    }
    bool aborted = R32(BUS, 0x80) != 0;
    (void)R32(BUS, 0x54);
    return !aborted;
}

static bool put(const uint8_t *bytes, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        while (!(R32(BUS, 0x70) & 2)) {
        }
        DATA_CMD = bytes[i];
    }
    while (!(R32(BUS, 0x70) & 4)) {
    }
    return finish();
}

static bool get(uint8_t at, uint8_t *bytes, unsigned count) {
    DATA_CMD = at;
    for (unsigned asked = 0, i = 0; i < count;) {
        if (asked < count && R32(BUS, 0x70) & 2) {
            DATA_CMD = READ;
            asked++;
        }
        if (R32(BUS, 0x78)) {
            bytes[i++] = (uint8_t)DATA_CMD;
        }
        if (R32(BUS, 0x80)) {
            break;
        }
    }
    return finish();
}

int main(void) {
    checks_begin();
    fpioa_set_function(10, FUNC_I2C0_SCLK);
    fpioa_set_function(11, FUNC_I2C0_SDA);
    setup(0x50);
    uint8_t bytes[8];
    uint64_t start = read_csr(mcycle);
    check("read", get(0x20, bytes, 8), 1);
    uint64_t us = (read_csr(mcycle) - start) / 390;
    for (unsigned i = 0; i < 8; i++) {
        check("  what the test put there", bytes[i], 0x20 + i);
    }
    check_range("at 100 kHz", us, 900, 1200); // 11 bytes of 9 bits
    static const uint8_t page[] = {0x40, 'K', '2', '1', '0'};
    check("write", put(page, sizeof(page)), 1);
    check("no answer while the part stores", put(page, 1), 0);
    wait_us(6000);
    check("then it answers", put(page, 1), 1);
    check("read back", get(0x40, bytes, 4), 1);
    check("what was written", bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3], 0x4b323130);
    setup(0x33);
    check("nobody at another address", put(page, 1), 0);
    checks_done();
}
