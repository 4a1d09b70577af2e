// The I2S driver: counted frames in on I2S0's line 1, sound out on lines 0 and 2 of I2S1 and I2S2.
// Expectations: the Kendryte standalone SDK's i2s.h and its examples.

#include "check.h"
#include "dmac.h"
#include "i2s.h"
#include "iomem.h"
#include "plic.h"
#include "sysctl.h"

#define FRAMES (256)
#define RATE (44100)

static uint32_t in[FRAMES * 2], in_halves[FRAMES];
static volatile bool done;

static int set_done(void *ctx) {
    (void)ctx;
    done = true;
    return 0;
}

static void rates(void) {
    static const uint32_t wanted[] = {8000, 16000, 22050, 44100, 48000, 96000};
    for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        uint32_t clock = i2s_set_sample_rate(I2S_DEVICE_0, wanted[i]);
        check_range(
            "bit clock within one percent", clock, wanted[i] * 64ull * 990 / 1000, wanted[i] * 64ull * 1010 / 1000);
    }
}

static void record(void) {
    i2s_init(I2S_DEVICE_0, I2S_RECEIVER, 3 << 2);
    i2s_rx_channel_config(
        I2S_DEVICE_0, I2S_CHANNEL_1, RESOLUTION_16_BIT, SCLK_CYCLES_32, TRIGGER_LEVEL_4, STANDARD_MODE);
    rates();
    i2s_set_sample_rate(I2S_DEVICE_0, RATE);
    // Anew, for an empty FIFO: what came until now has overrun it.
    i2s_rx_channel_config(
        I2S_DEVICE_0, I2S_CHANNEL_1, RESOLUTION_16_BIT, SCLK_CYCLES_32, TRIGGER_LEVEL_4, STANDARD_MODE);
    uint64_t start = sysctl_get_time_us();
    i2s_receive_data_dma(I2S_DEVICE_0, in, FRAMES * 2, DMAC_CHANNEL0);
    dmac_wait_done(DMAC_CHANNEL0);
    uint64_t us = sysctl_get_time_us() - start;
    uint64_t right = FRAMES * 1000000ull / RATE;
    check_range("recorded in its time", us, right * 90 / 100, right * 105 / 100);
    unsigned good = 0;
    for (unsigned i = 1; i < FRAMES; i++) {
        // The left one counts by three from below zero on: signs are kept.
        good += in[2 * i] - in[2 * i - 2] == 3 && in[2 * i + 1] == 0x1234;
    }
    check("what was recorded", good, FRAMES - 1);
    check("negative samples", in[0] >> 16, 0xffff);
    i2s_set_dma_divide_16(I2S_DEVICE_0, 1);
    check("two in a word", i2s_get_dma_divide_16(I2S_DEVICE_0), 1);
    i2s_data_t data = {
        .rx_channel = DMAC_CHANNEL0,
        .rx_buf = in_halves,
        .rx_len = FRAMES,
        .transfer_mode = I2S_RECEIVE,
        .wait_dma_done = true,
    };
    i2s_handle_data_dma(I2S_DEVICE_0, data, NULL);
    good = 0;
    for (unsigned i = 1; i < FRAMES; i++) {
        good += (uint16_t)(in_halves[i] - in_halves[i - 1]) == 3 && in_halves[i] >> 16 == 0x1234;
    }
    check("two in a word: what was recorded", good, FRAMES - 1);
    i2s_deinit(I2S_DEVICE_0);
}

static void play(void) {
    static int16_t stereo[700][2];
    static uint8_t narrow[50][3];
    for (int i = 0; i < 700; i++) {
        stereo[i][0] = (int16_t)(i * 40);
        stereo[i][1] = (int16_t)(-i * 40);
    }
    for (int i = 0; i < 50; i++) {
        narrow[i][0] = (uint8_t)i;
        narrow[i][1] = 0x22;
        narrow[i][2] = 0x91;
    }
    i2s_init(I2S_DEVICE_1, I2S_TRANSMITTER, 3);
    i2s_tx_channel_config(
        I2S_DEVICE_1, I2S_CHANNEL_0, RESOLUTION_16_BIT, SCLK_CYCLES_32, TRIGGER_LEVEL_4, STANDARD_MODE);
    i2s_set_sample_rate(I2S_DEVICE_1, RATE);
    i2s_play(I2S_DEVICE_1, DMAC_CHANNEL1, (uint8_t *)stereo, sizeof(stereo), 512, 16, 2);

    i2s_init(I2S_DEVICE_2, I2S_TRANSMITTER, 3 << 4);
    i2s_tx_channel_config(
        I2S_DEVICE_2, I2S_CHANNEL_2, RESOLUTION_24_BIT, SCLK_CYCLES_32, TRIGGER_LEVEL_4, STANDARD_MODE);
    i2s_set_sample_rate(I2S_DEVICE_2, RATE);
    i2s_play(I2S_DEVICE_2, DMAC_CHANNEL2, (uint8_t *)narrow, sizeof(narrow), 20, 24, 1);
    static uint32_t last[] IOMEM = {0x111111, 0x222222};
    last[0] = 0x111111;
    last[1] = 0x222222;
    i2s_data_t data = {.tx_channel = DMAC_CHANNEL2, .tx_buf = last, .tx_len = 2, .transfer_mode = I2S_SEND};
    plic_interrupt_t cb = {.callback = set_done, .priority = 1};
    i2s_handle_data_dma(I2S_DEVICE_2, data, &cb);
    check("callback when it is sent", bsp_wait(&done, 10000), 1);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    plic_init();
    sysctl_enable_irq();
    dmac_init();
    sysctl_pll_set_freq(SYSCTL_PLL2, 811000000);
    record();
    play();
    wait_us(2000); // the last frames
    checks_done();
}
