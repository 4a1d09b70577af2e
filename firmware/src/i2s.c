#include "i2s.h"
#include "iomem.h"
#include "sysctl.h"

#define DIVIDER_BITS (16)
#define PLAY_WORDS (1024) // that i2s_play() unpacks at a time

_Static_assert(offsetof(i2s_t, channel) == 0x20 && offsetof(i2s_t, rxdma) == 0x1c0
        && offsetof(i2s_t, i2s_comp_type) == 0x1fc && sizeof(i2s_channel_t) == 0x40,
    "i2s_t");

volatile i2s_t *const i2s[3] = {
    (volatile i2s_t *)I2S0_BASE_ADDR,
    (volatile i2s_t *)I2S1_BASE_ADDR,
    (volatile i2s_t *)I2S2_BASE_ADDR,
};

static void change(volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    *reg = (*reg & ~mask) | value;
}

void i2s_init(i2s_device_number_t device_num, i2s_transmit_t rxtx_mode, uint32_t channel_mask) {
    volatile i2s_t *block = i2s[device_num];
    bool receive = rxtx_mode == I2S_RECEIVER;
    sysctl_clock_enable(SYSCTL_CLOCK_I2S0 + device_num);
    sysctl_reset(SYSCTL_RESET_I2S0 + device_num);
    block->ier = 1;
    // After reset all lines are on in both directions.
    for (unsigned i = 0; i < I2S_CHANNEL_COUNT; i++) {
        bool used = (channel_mask >> 2 * i & 3) == 3;
        block->channel[i].imr = I2S_IMR_ALL;
        block->channel[i].rer = used && receive;
        block->channel[i].ter = used && !receive;
    }
    block->ccr = receive ? I2S_CCR_SIGN_EXPAND_EN | I2S_CCR_DMA_RX_EN : I2S_CCR_DMA_TX_EN;
    block->irer = receive;
    block->iter = !receive;
}

void i2s_deinit(i2s_device_number_t device_num) {
    i2s[device_num]->cer = 0;
    i2s[device_num]->ier = 0;
    sysctl_clock_disable(SYSCTL_CLOCK_I2S0 + device_num);
}

static void run_clocks(volatile i2s_t *block, i2s_word_select_cycles_t word_select_size, i2s_work_mode_t word_mode) {
    change(&block->ccr, I2S_CCR_CLK_GATE(7) | I2S_CCR_CLK_WORD_SIZE(3) | I2S_CCR_ALIGN_MODE(7),
        I2S_CCR_CLK_GATE(NO_CLOCK_GATING) | I2S_CCR_CLK_WORD_SIZE(word_select_size) | I2S_CCR_ALIGN_MODE(word_mode));
    block->cer = 1;
}

void i2s_rx_channel_config(i2s_device_number_t device_num, i2s_channel_num_t channel_num, i2s_word_length_t word_length,
    i2s_word_select_cycles_t word_select_size, i2s_fifo_threshold_t trigger_level, i2s_work_mode_t word_mode) {
    volatile i2s_channel_t *channel = &i2s[device_num]->channel[channel_num];
    channel->rer = 0;
    channel->ter = 0;
    channel->rff = 1;
    channel->rcr = word_length;
    channel->rfcr = trigger_level;
    run_clocks(i2s[device_num], word_select_size, word_mode);
    (void)channel->ror;
    channel->rer = 1;
}

void i2s_tx_channel_config(i2s_device_number_t device_num, i2s_channel_num_t channel_num, i2s_word_length_t word_length,
    i2s_word_select_cycles_t word_select_size, i2s_fifo_threshold_t trigger_level, i2s_work_mode_t word_mode) {
    volatile i2s_channel_t *channel = &i2s[device_num]->channel[channel_num];
    channel->rer = 0;
    channel->ter = 0;
    channel->tff = 1;
    channel->tcr = word_length;
    channel->tfcr = trigger_level;
    run_clocks(i2s[device_num], word_select_size, word_mode);
    (void)channel->tor;
    channel->ter = 1;
}

uint32_t i2s_set_sample_rate(i2s_device_number_t device_num, uint32_t sample_rate) {
    static const uint8_t slot_bits[] = {16, 24, 32, 32};
    uint32_t frame_bits = 2 * slot_bits[i2s[device_num]->ccr >> 3 & 3];
    // The bit clock is PLL2 / (2 * (threshold + 1)).
    uint64_t twice = 2ull * sample_rate * frame_bits;
    uint64_t divider = (sysctl_pll_get_freq(SYSCTL_PLL2) + twice / 2) / (twice > 0 ? twice : 1);
    if (divider < 1) {
        divider = 1;
    } else if (divider > 1u << DIVIDER_BITS) {
        divider = 1u << DIVIDER_BITS;
    }
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_I2S0 + device_num, (int)divider - 1);
    return sysctl_clock_get_freq(SYSCTL_CLOCK_I2S0 + device_num);
}

int i2s_set_dma_divide_16(i2s_device_number_t device_num, uint32_t enable) {
    if (device_num >= I2S_DEVICE_MAX) {
        return -1;
    }
    change(&i2s[device_num]->ccr, I2S_CCR_DMA_DIVIDE_16, enable ? I2S_CCR_DMA_DIVIDE_16 : 0);
    return 0;
}

int i2s_get_dma_divide_16(i2s_device_number_t device_num) {
    return device_num < I2S_DEVICE_MAX ? !!(i2s[device_num]->ccr & I2S_CCR_DMA_DIVIDE_16) : -1;
}

// ---- Data

static void receive(i2s_device_number_t device_num, uint32_t *buf, size_t count, dmac_channel_number_t channel) {
    sysctl_dma_select((sysctl_dma_channel_t)channel, SYSCTL_DMA_SELECT_I2S0_RX_REQ + 2 * device_num);
    dmac_set_single_mode(channel, (void *)&i2s[device_num]->rxdma, buf, DMAC_ADDR_NOCHANGE, DMAC_ADDR_INCREMENT,
        DMAC_MSIZE_1, DMAC_TRANS_WIDTH_32, count);
}

static void send(i2s_device_number_t device_num, const void *buf, size_t count, dmac_channel_number_t channel) {
    sysctl_dma_select((sysctl_dma_channel_t)channel, SYSCTL_DMA_SELECT_I2S0_TX_REQ + 2 * device_num);
    dmac_set_single_mode(channel, buf, (void *)&i2s[device_num]->txdma, DMAC_ADDR_INCREMENT, DMAC_ADDR_NOCHANGE,
        DMAC_MSIZE_1, DMAC_TRANS_WIDTH_32, count);
}

void i2s_receive_data_dma(
    i2s_device_number_t device_num, uint32_t *buf, size_t buf_len, dmac_channel_number_t channel_num) {
    dmac_wait_done(channel_num);
    receive(device_num, buf, buf_len, channel_num);
}

void i2s_send_data_dma(
    i2s_device_number_t device_num, const void *buf, size_t buf_len, dmac_channel_number_t channel_num) {
    dmac_wait_done(channel_num);
    send(device_num, buf, buf_len, channel_num);
}

typedef struct {
    plic_irq_callback_t callback;
    void *ctx;
    dmac_channel_number_t channel;
} waiter_t;

static waiter_t waiters[I2S_DEVICE_MAX][2];

static int transfer_done(void *ctx) {
    waiter_t *waiter = ctx;
    dmac_irq_unregister(waiter->channel);
    if (waiter->callback != NULL) {
        waiter->callback(waiter->ctx);
    }
    return 0;
}

void i2s_handle_data_dma(i2s_device_number_t device_num, i2s_data_t data, plic_interrupt_t *cb) {
    bool sends = data.transfer_mode == I2S_SEND;
    dmac_channel_number_t channel = sends ? data.tx_channel : data.rx_channel;
    if (!data.nowait_dma_idle) {
        dmac_wait_done(channel);
    }
    if (cb != NULL) {
        waiter_t *waiter = &waiters[device_num][sends];
        *waiter = (waiter_t){cb->callback, cb->ctx, channel};
        dmac_irq_register(channel, transfer_done, waiter, cb->priority);
    }
    if (sends) {
        send(device_num, data.tx_buf, data.tx_len, channel);
    } else {
        receive(device_num, data.rx_buf, data.rx_len, channel);
    }
    if (cb == NULL && data.wait_dma_done) {
        dmac_wait_done(channel);
    }
}

// The sample at `pcm`, little endian, in the low bits.
static uint32_t sample(const uint8_t *pcm, size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint32_t)pcm[i] << 8 * i;
    }
    return value;
}

// Unpacks as many frames as fit into `words`, at most `most`; returns how many.
static size_t unpack(uint32_t *words, const uint8_t *pcm, size_t frames, size_t most, size_t bytes, uint8_t tracks) {
    if (frames > most) {
        frames = most;
    }
    if (frames > PLAY_WORDS / 2) {
        frames = PLAY_WORDS / 2;
    }
    for (size_t i = 0; i < frames; i++, pcm += bytes * tracks) {
        words[2 * i] = sample(pcm, bytes);
        words[2 * i + 1] = tracks == 2 ? sample(pcm + bytes, bytes) : 0;
    }
    return frames;
}

void i2s_play(i2s_device_number_t device_num, dmac_channel_number_t channel_num, const uint8_t *buf, size_t buf_len,
    size_t frame, size_t bits_per_sample, uint8_t track_num) {
    static uint32_t words[2][PLAY_WORDS] IOMEM; // one is played while the other is filled
    size_t bytes = bits_per_sample / 8, left = buf_len / (bytes * track_num);
    i2s_set_dma_divide_16(device_num, 0);
    for (unsigned turn = 0; left > 0; turn ^= 1) {
        size_t count = unpack(words[turn], buf, left, frame, bytes, track_num);
        i2s_send_data_dma(device_num, words[turn], 2 * count, channel_num);
        buf += count * bytes * track_num;
        left -= count;
    }
    dmac_wait_done(channel_num);
}
