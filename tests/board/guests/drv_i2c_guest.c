// The I2C driver: a 24C02 at 0x50 on pads 10 (clock) and 11 (data), a part at 0x29 that refuses data, a target that
// is I2C1 on pads 12 and 13, wired to the first two. Expectations: the Kendryte standalone SDK's i2c.h; NXP UM10204.

#include <string.h>

#include "check.h"
#include "dmac.h"
#include "fpioa.h"
#include "i2c.h"
#include "plic.h"
#include "sleep.h"
#include "sysctl.h"

#define MEMORY (0x50)
#define REFUSES (0x29)
#define NOBODY (0x33)
#define TARGET (0x42)

static uint64_t now(void) {
    return sysctl_get_time_us();
}

static void read_at(uint32_t hertz, unsigned clocks, unsigned pauses) {
    uint8_t at = 0x20, bytes[64];
    i2c_init(I2C_DEVICE_0, MEMORY, 7, hertz);
    uint64_t instructions = read_csr(minstret), start = now();
    check("read", i2c_recv_data(I2C_DEVICE_0, &at, 1, bytes, sizeof(bytes)), 0);
    uint64_t us = now() - start;
    instructions = read_csr(minstret) - instructions;
    unsigned same = 0;
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        same += bytes[i] == 0x20 + i;
    }
    check("what the test put there", same, sizeof(bytes));
    uint64_t right = clocks * 1000000ull / hertz;
    check_range("in its time", us, right * 98 / 100, right * 104 / 100 + pauses);
    check_range("asleep", instructions, 0, 20000);
}

static void memory(void) {
    uint8_t page[] = {0x40, 'K', '2', '1', '0'}, bytes[4];
    i2c_init(I2C_DEVICE_0, MEMORY, 7, 400000);
    check("nothing to send", i2c_send_data(I2C_DEVICE_0, page, 0), 0);
    check("write", i2c_send_data(I2C_DEVICE_0, page, sizeof(page)), 0);
    check("no answer while the part stores", i2c_send_data(I2C_DEVICE_0, page, 1), I2C_NO_ADDRESS_ACK);
    check("nor to a probe", i2c_probe(I2C_DEVICE_0, MEMORY), I2C_NO_ADDRESS_ACK);
    usleep(6000);
    check("then it answers a probe", i2c_probe(I2C_DEVICE_0, MEMORY), I2C_OK);
    check("read back", i2c_recv_data(I2C_DEVICE_0, page, 1, bytes, sizeof(bytes)), 0);
    check("what was written", memcmp(bytes, page + 1, sizeof(bytes)), 0);
    i2c_segment_t parts[] = {
        {.data = (uint8_t[]){0x42}, .length = 1, .read = false},
        {.data = bytes, .length = 0, .read = true},
        {.data = bytes, .length = 1, .read = true},
        {.data = bytes + 1, .length = 1, .read = true},
    };
    check("in parts", i2c_transfer(I2C_DEVICE_0, parts, 4, 10000), I2C_OK);
    check("each in its place", bytes[0] << 8 | bytes[1], '1' << 8 | '0');
}

static void errors(void) {
    uint8_t bytes[40] = {0};
    i2c_init(I2C_DEVICE_0, NOBODY, 7, 400000);
    check("nobody there to write to", i2c_send_data(I2C_DEVICE_0, bytes, sizeof(bytes)), I2C_NO_ADDRESS_ACK);
    check("nor to read from", i2c_recv_data(I2C_DEVICE_0, NULL, 0, bytes, sizeof(bytes)), I2C_NO_ADDRESS_ACK);
    check("nor to probe", i2c_probe(I2C_DEVICE_0, NOBODY), I2C_NO_ADDRESS_ACK);
    i2c_set_address(I2C_DEVICE_0, REFUSES);
    check("refused data", i2c_send_data(I2C_DEVICE_0, bytes, sizeof(bytes)), I2C_NO_DATA_ACK);
    i2c_set_address(I2C_DEVICE_0, MEMORY);
    check("the next transfer is well", i2c_recv_data(I2C_DEVICE_0, bytes, 1, bytes, 8), 0);
    printf("hold the clock\n");
    i2c_segment_t part = {.data = bytes, .length = 8, .read = true};
    uint64_t start = now();
    check("a clock that is held", i2c_transfer(I2C_DEVICE_0, &part, 1, 20000), I2C_BUS_STUCK);
    check_range("is given up in time", now() - start, 20000, 40000);
    printf("let it go\n");
    check("and is well when it is let go", i2c_recv_data(I2C_DEVICE_0, bytes, 1, bytes, 8), 0);
    printf("hold the data\n");
    check("clocks free the data line", i2c_recover(I2C_DEVICE_0), 1);
    check("both functions are back on their pads",
        fpioa_get_io_by_function(FUNC_I2C0_SCLK) == 10 && fpioa_get_io_by_function(FUNC_I2C0_SDA) == 11, 1);
    check("all is well", i2c_recv_data(I2C_DEVICE_0, bytes, 1, bytes, 8), 0);
}

static uint8_t heard[64];
static volatile unsigned heard_count, starts, stops;
static volatile uint8_t next;

static void on_receive(uint32_t data) {
    heard[heard_count++ % sizeof(heard)] = (uint8_t)data;
}

static uint32_t on_transmit(void) {
    return next++;
}

static void on_event(i2c_event_t event) {
    if (event == I2C_EV_START) {
        starts++;
    } else if (event == I2C_EV_STOP) {
        stops++;
    }
}

static void target(void) {
    static const i2c_slave_handler_t handler = {on_receive, on_transmit, on_event};
    uint8_t bytes[20];
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 11);
    }
    i2c_init_as_slave(I2C_DEVICE_1, TARGET, 7, &handler);
    i2c_init(I2C_DEVICE_0, TARGET, 7, 400000);
    check("a target takes bytes", i2c_send_data(I2C_DEVICE_0, bytes, sizeof(bytes)), 0);
    check("all of them", heard_count == sizeof(bytes) && memcmp(heard, bytes, sizeof(bytes)) == 0, 1);
    check("between START and STOP", starts == 1 && stops == 1, 1);
    next = 7;
    check("and gives some", i2c_recv_data(I2C_DEVICE_0, NULL, 0, bytes, sizeof(bytes)), 0);
    unsigned same = 0;
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        same += bytes[i] == 7 + i;
    }
    check("the right ones", same, sizeof(bytes));
    check("it answers a probe", i2c_probe(I2C_DEVICE_0, TARGET), I2C_OK);
    i2c_deinit(I2C_DEVICE_1);
    check("and none when it is off", i2c_probe(I2C_DEVICE_0, TARGET), I2C_NO_ADDRESS_ACK);
}

static volatile bool done;

static int set_done(void *ctx) {
    (void)ctx;
    done = true;
    return 0;
}

static void dma(void) {
    uint8_t page[] = {0x80, 1, 2, 3, 4, 5, 6, 7, 8}, bytes[8] = {0};
    static uint32_t command = 0x80, words[100];
    i2c_init(I2C_DEVICE_0, MEMORY, 7, 1000000);
    i2c_send_data_dma(DMAC_CHANNEL0, I2C_DEVICE_0, page, sizeof(page));
    check("no error", i2c[0]->tx_abrt_source, 0);
    usleep(6000);
    i2c_recv_data_dma(DMAC_CHANNEL0, DMAC_CHANNEL1, I2C_DEVICE_0, page, 1, bytes, sizeof(bytes));
    check("DMA both ways", memcmp(page + 1, bytes, sizeof(bytes)), 0);
    i2c_data_t data = {
        .tx_channel = DMAC_CHANNEL0,
        .rx_channel = DMAC_CHANNEL1,
        .tx_buf = &command,
        .tx_len = 1,
        .rx_buf = words,
        .rx_len = 100,
        .transfer_mode = I2C_RECEIVE,
    };
    plic_interrupt_t cb = {.callback = set_done, .ctx = NULL, .priority = 1};
    i2c_handle_data_dma(I2C_DEVICE_0, data, &cb);
    check("DMA in the background", bsp_wait(&done, 10000), 1);
    check("words", words[0] == 1 && words[7] == 8 && words[8] == 0x88 && words[99] == 0x80 + 99, 1);
    i2c_set_address(I2C_DEVICE_0, NOBODY);
    done = false;
    i2c_handle_data_dma(I2C_DEVICE_0, data, &cb);
    check("an error ends DMA", bsp_wait(&done, 10000), 1);
    check("and is told", i2c[0]->tx_abrt_source, I2C_TX_ABRT_SOURCE_7B_ADDR_NOACK);
    i2c_set_address(I2C_DEVICE_0, MEMORY);
    i2c_recv_data_dma(DMAC_CHANNEL0, DMAC_CHANNEL1, I2C_DEVICE_0, page, 1, bytes, sizeof(bytes));
    check("all is well after it", memcmp(page + 1, bytes, sizeof(bytes)), 0);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    plic_init();
    sysctl_enable_irq();
    dmac_init();
    for (unsigned n = 0; n < 2; n++) {
        fpioa_set_function(10 + 2 * n, FUNC_I2C0_SCLK + 2 * n);
        fpioa_set_function(11 + 2 * n, FUNC_I2C0_SDA + 2 * n);
    }
    // START, two addresses, the pointer, 64 bytes, STOP
    read_at(100000, 1 + 67 * 9 + 2, 20);
    read_at(400000, 1 + 67 * 9 + 2, 20);
    read_at(1000000, 1 + 67 * 9 + 2, 20);
    memory();
    errors();
    target();
    dma();
    checks_done();
}
