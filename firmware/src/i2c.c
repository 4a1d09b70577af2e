#include <string.h>

#include "bsp.h"
#include "fpioa.h"
#include "i2c.h"
#include "i2c_lines.h"
#include "iomem.h"
#include "sysctl.h"

#define MIN_HERTZ (10000)
#define MAX_HERTZ (1000000)
#define FEED_LEVEL (4) // commands left in the FIFO when more are asked for
#define LOW_PERCENT (55) // of a period; the specification wants the low half to be the longer one at all speeds
#define EXTRA_US (1000000u) // what a transfer may take beyond its bytes' time
#define QUIET_US (1000u) // for a STOP under way to end

_Static_assert(
    offsetof(i2c_t, enable) == 0x6c && offsetof(i2c_t, dma_cr) == 0x88 && offsetof(i2c_t, comp_type) == 0xfc, "i2c_t");

volatile i2c_t *const i2c[3] = {
    (volatile i2c_t *)I2C0_BASE_ADDR,
    (volatile i2c_t *)I2C1_BASE_ADDR,
    (volatile i2c_t *)I2C2_BASE_ADDR,
};

// A transfer under way.
typedef struct {
    const i2c_segment_t *segments;
    size_t count;
    size_t give, give_at; // next command: segment and place in it
    size_t take, take_at; // next byte to be received
    size_t waiting; // reads handed over whose bytes have not come
    bool by_dma;
    i2c_result_t result;
    volatile bool over;
} job_t;

static struct {
    uint32_t hertz;
    job_t job;
    const i2c_slave_handler_t *handler;
} state[I2C_MAX_NUM];

// ---- Settings

static void clock_on(i2c_device_number_t i2c_num) {
    sysctl_clock_enable(SYSCTL_CLOCK_I2C0 + i2c_num);
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_I2C0 + i2c_num, 3);
    sysctl_reset(SYSCTL_RESET_I2C0 + i2c_num);
}

static uint32_t at_least(uint32_t value, uint32_t least) {
    return value < least ? least : value;
}

static void set_clock(volatile i2c_t *block, uint32_t clock, uint32_t hertz) {
    uint32_t period = (clock + hertz - 1) / hertz;
    uint32_t low = period * LOW_PERCENT / 100, high = period - low;
    uint32_t spikes = at_least(clock / 20000000, 1); // 50 ns
    // The block adds these cycles to its counts, and has least counts (databook; Linux leaves the same out of them).
    block->fs_spklen = spikes;
    block->ss_scl_hcnt = at_least(high > spikes + 7 ? high - spikes - 7 : 0, 6);
    block->ss_scl_lcnt = at_least(low > 1 ? low - 1 : 0, 8);
}

void i2c_init(i2c_device_number_t i2c_num, uint32_t slave_address, uint32_t address_width, uint32_t i2c_clk) {
    volatile i2c_t *block = i2c[i2c_num];
    plic_irq_disable(IRQN_I2C0_INTERRUPT + i2c_num);
    uint32_t hertz = at_least(i2c_clk > MAX_HERTZ ? MAX_HERTZ : i2c_clk, MIN_HERTZ);
    memset(&state[i2c_num], 0, sizeof(state[i2c_num]));
    state[i2c_num].hertz = hertz;
    clock_on(i2c_num);
    block->enable = 0;
    block->con = I2C_CON_MASTER_MODE | I2C_CON_SLAVE_DISABLE | I2C_CON_RESTART_EN | I2C_CON_SPEED(1)
        | (address_width == 10 ? I2C_CON_10BITADDR_SLAVE : 0);
    set_clock(block, sysctl_clock_get_freq(SYSCTL_CLOCK_I2C0 + i2c_num), hertz);
    block->tar = I2C_TAR_ADDRESS(slave_address) | (address_width == 10 ? I2C_TAR_10BITADDR_MASTER : 0);
    block->intr_mask = 0;
    block->tx_tl = FEED_LEVEL;
    block->dma_cr = 0;
    block->dma_rdlr = 0;
    block->dma_tdlr = FEED_LEVEL;
    block->enable = I2C_ENABLE_ENABLE;
}

static uint64_t cycles_of(uint32_t us) {
    return (uint64_t)us * (sysctl_clock_get_freq(SYSCTL_CLOCK_CPU) / 1000000);
}

// Nothing of a transfer under way; true as well after the limit for one, when there is nothing better to do.
static void wait_quiet(volatile i2c_t *block) {
    uint64_t start = read_cycle(), limit = cycles_of(QUIET_US);
    while (block->status & I2C_STATUS_ACTIVITY && read_cycle() - start < limit) {
    }
}

// Off and on again: the FIFOs are empty then, and what cannot be changed in between has been.
static void restart(volatile i2c_t *block, uint32_t tar) {
    uint64_t start = read_cycle(), limit = cycles_of(QUIET_US);
    block->enable = 0;
    while (block->enable_status & I2C_ENABLE_ENABLE && read_cycle() - start < limit) {
    }
    block->tar = tar;
    block->enable = I2C_ENABLE_ENABLE;
}

void i2c_set_address(i2c_device_number_t i2c_num, uint32_t slave_address) {
    volatile i2c_t *block = i2c[i2c_num];
    uint32_t tar = (block->tar & I2C_TAR_10BITADDR_MASTER) | I2C_TAR_ADDRESS(slave_address);
    if (block->tar != tar) {
        restart(block, tar);
    }
}

void i2c_deinit(i2c_device_number_t i2c_num) {
    plic_irq_disable(IRQN_I2C0_INTERRUPT + i2c_num);
    plic_irq_unregister(IRQN_I2C0_INTERRUPT + i2c_num);
    i2c[i2c_num]->intr_mask = 0;
    i2c[i2c_num]->enable = 0;
    sysctl_clock_disable(SYSCTL_CLOCK_I2C0 + i2c_num);
}

// ---- A transfer, step by step

static bool all_given(const job_t *job) {
    return job->give == job->count;
}

static void skip_empty(const job_t *job, size_t *segment) {
    while (*segment < job->count && job->segments[*segment].length == 0) {
        (*segment)++;
    }
}

static void give(volatile i2c_t *block, job_t *job) {
    while (!all_given(job) && block->status & I2C_STATUS_TFNF) {
        const i2c_segment_t *segment = &job->segments[job->give];
        if (segment->read && job->waiting >= I2C_FIFO_DEPTH) {
            break; // more would overrun the receive FIFO
        }
        block->data_cmd = segment->read ? I2C_DATA_CMD_CMD : I2C_DATA_CMD_DATA(segment->data[job->give_at]);
        job->waiting += segment->read;
        if (++job->give_at == segment->length) {
            job->give_at = 0;
            job->give++;
            skip_empty(job, &job->give);
        }
    }
}

static void take(volatile i2c_t *block, job_t *job) {
    while (job->waiting > 0 && block->status & I2C_STATUS_RFNE) {
        while (!job->segments[job->take].read || job->segments[job->take].length == 0) {
            job->take++;
        }
        const i2c_segment_t *segment = &job->segments[job->take];
        segment->data[job->take_at] = (uint8_t)block->data_cmd;
        job->waiting--;
        if (++job->take_at == segment->length) {
            job->take_at = 0;
            job->take++;
        }
    }
}

// Asks for the interrupts that the job needs now.
static void ask(volatile i2c_t *block, job_t *job) {
    uint32_t mask = I2C_INTR_STAT_TX_ABRT | I2C_INTR_STAT_STOP_DET;
    if (job->waiting > 0) {
        block->rx_tl = (job->waiting < FEED_LEVEL ? job->waiting : FEED_LEVEL) - 1;
        mask |= I2C_INTR_STAT_RX_FULL;
    }
    if (!all_given(job) && (!job->segments[job->give].read || job->waiting < I2C_FIFO_DEPTH)) {
        mask |= I2C_INTR_STAT_TX_EMPTY;
    }
    block->intr_mask = mask;
}

static i2c_result_t result_of(uint32_t source) {
    if (source
        & (I2C_TX_ABRT_SOURCE_7B_ADDR_NOACK | I2C_TX_ABRT_SOURCE_10B_ADDR1_NOACK | I2C_TX_ABRT_SOURCE_10B_ADDR2_NOACK
            | I2C_TX_ABRT_SOURCE_GCALL_NOACK)) {
        return I2C_NO_ADDRESS_ACK;
    }
    return source & I2C_TX_ABRT_SOURCE_TXDATA_NOACK ? I2C_NO_DATA_ACK : I2C_ARBITRATION_LOST;
}

static void end(volatile i2c_t *block, job_t *job, i2c_result_t result) {
    block->intr_mask = 0;
    job->result = result;
    job->over = true;
}

static void step(volatile i2c_t *block, job_t *job) {
    uint32_t status = block->intr_stat;
    if (!job->by_dma) {
        take(block, job);
    }
    if (status & I2C_INTR_STAT_TX_ABRT) {
        // The FIFO is kept empty until clr_tx_abrt is read; the SDK lets the next transfer do that, and so
        // tx_abrt_source tells more until then.
        end(block, job, result_of(block->tx_abrt_source));
    } else if (status & I2C_INTR_STAT_STOP_DET) {
        bool whole = job->by_dma || (all_given(job) && job->waiting == 0);
        end(block, job, whole ? I2C_OK : I2C_UNDERRUN);
    } else if (!job->by_dma) {
        give(block, job);
        ask(block, job);
    }
}

static int handle_irq(void *ctx) {
    i2c_device_number_t i2c_num = (i2c_device_number_t)(uintptr_t)ctx;
    if (state[i2c_num].job.over) {
        i2c[i2c_num]->intr_mask = 0;
    } else {
        step(i2c[i2c_num], &state[i2c_num].job);
    }
    return 0;
}

static void enable_irq(i2c_device_number_t i2c_num, plic_irq_callback_t callback, uint32_t priority) {
    plic_set_priority(IRQN_I2C0_INTERRUPT + i2c_num, priority);
    plic_irq_register(IRQN_I2C0_INTERRUPT + i2c_num, callback, (void *)(uintptr_t)i2c_num);
    plic_irq_enable(IRQN_I2C0_INTERRUPT + i2c_num);
}

// In a callback the interrupt that is being served keeps others back, so what it would do is done here.
static bool wait_over(i2c_device_number_t i2c_num, uint64_t timeout_us) {
    job_t *job = &state[i2c_num].job;
    if (read_csr(mstatus) & MSTATUS_MIE) {
        return bsp_wait(&job->over, timeout_us);
    }
    uint64_t limit = timeout_us * (sysctl_clock_get_freq(SYSCTL_CLOCK_CPU) / 1000000);
    for (uint64_t start = read_cycle(); !job->over && read_cycle() - start < limit;) {
        step(i2c[i2c_num], job);
    }
    return job->over;
}

static bool take_lines(i2c_device_number_t i2c_num, i2c_lines_t *lines) {
    return i2c_lines_take(lines, FUNC_I2C0_SCLK + 2 * i2c_num, FUNC_I2C0_SDA + 2 * i2c_num);
}

// A transfer that has not ended in time: its reason is often a wire that is held low.
static i2c_result_t give_up(i2c_device_number_t i2c_num) {
    volatile i2c_t *block = i2c[i2c_num];
    block->intr_mask = 0;
    block->enable = I2C_ENABLE_ENABLE | I2C_ENABLE_ABORT;
    wait_quiet(block);
    restart(block, block->tar);
    return i2c_recover(i2c_num) ? I2C_TIMED_OUT : I2C_BUS_STUCK;
}

static void prepare(volatile i2c_t *block) {
    wait_quiet(block);
    block->intr_mask = 0;
    (void)block->clr_tx_abrt;
    (void)block->clr_intr;
    while (block->status & I2C_STATUS_RFNE) {
        (void)block->data_cmd;
    }
}

i2c_result_t i2c_transfer(
    i2c_device_number_t i2c_num, const i2c_segment_t *segments, size_t count, uint32_t timeout_us) {
    volatile i2c_t *block = i2c[i2c_num];
    job_t *job = &state[i2c_num].job;
    prepare(block);
    *job = (job_t){.segments = segments, .count = count};
    skip_empty(job, &job->give);
    if (all_given(job)) {
        return I2C_OK;
    }
    enable_irq(i2c_num, handle_irq, 1);
    // Without a pause that would let the FIFO run empty.
    uint64_t before = bsp_irq_save();
    give(block, job);
    ask(block, job);
    bsp_irq_restore(before);
    i2c_result_t result = wait_over(i2c_num, timeout_us) ? job->result : give_up(i2c_num);
    wait_quiet(block);
    return result;
}

bool i2c_recover(i2c_device_number_t i2c_num) {
    i2c_lines_t lines;
    if (!take_lines(i2c_num, &lines)) {
        return true; // no pads, no bus that could be stuck
    }
    bool good = i2c_lines_are_free(&lines) || i2c_lines_recover(&lines);
    i2c_lines_give(&lines);
    return good;
}

i2c_result_t i2c_probe(i2c_device_number_t i2c_num, uint32_t address) {
    i2c_lines_t lines;
    bool acknowledged = false;
    wait_quiet(i2c[i2c_num]);
    if (!take_lines(i2c_num, &lines)) {
        return I2C_NO_ADDRESS_ACK;
    }
    bool moved = i2c_lines_are_free(&lines) || i2c_lines_recover(&lines);
    moved = moved && i2c_lines_start(&lines) && i2c_lines_write(&lines, (uint8_t)(address << 1), &acknowledged);
    moved = i2c_lines_stop(&lines) && moved;
    i2c_lines_give(&lines);
    return !moved ? I2C_BUS_STUCK : acknowledged ? I2C_OK : I2C_NO_ADDRESS_ACK;
}

static uint32_t limit_us(i2c_device_number_t i2c_num, size_t bytes) {
    // Ten times what the bytes take, for targets that hold the clock.
    return EXTRA_US + (uint32_t)(bytes * (100 * 1000000ull / at_least(state[i2c_num].hertz, 1)));
}

int i2c_send_data(i2c_device_number_t i2c_num, const uint8_t *send_buf, size_t send_buf_len) {
    return i2c_recv_data(i2c_num, send_buf, send_buf_len, NULL, 0);
}

int i2c_recv_data(i2c_device_number_t i2c_num, const uint8_t *send_buf, size_t send_buf_len, uint8_t *receive_buf,
    size_t receive_buf_len) {
    const i2c_segment_t segments[] = {
        {.data = (uint8_t *)send_buf, .length = send_buf_len, .read = false},
        {.data = receive_buf, .length = receive_buf_len, .read = true},
    };
    return (int)i2c_transfer(i2c_num, segments, 2, limit_us(i2c_num, send_buf_len + receive_buf_len));
}

// ---- DMA: a word for every command and every byte received

typedef struct {
    i2c_device_number_t i2c_num;
    i2c_data_t data;
    size_t reads; // still to be asked for
    plic_irq_callback_t callback;
    void *ctx;
} dma_t;

static dma_t dma[I2C_MAX_NUM];
static uint32_t read_command IOMEM;

static void request(dmac_channel_number_t channel, i2c_device_number_t i2c_num, bool receive) {
    sysctl_dma_select((sysctl_dma_channel_t)channel,
        (receive ? SYSCTL_DMA_SELECT_I2C0_RX_REQ : SYSCTL_DMA_SELECT_I2C0_TX_REQ) + 2 * i2c_num);
}

static void give_words(const dma_t *moving, const uint32_t *words, size_t count, bool same) {
    request(moving->data.tx_channel, moving->i2c_num, false);
    dmac_set_single_mode(moving->data.tx_channel, words, (void *)&i2c[moving->i2c_num]->data_cmd,
        same ? DMAC_ADDR_NOCHANGE : DMAC_ADDR_INCREMENT, DMAC_ADDR_NOCHANGE, DMAC_MSIZE_4, DMAC_TRANS_WIDTH_32, count);
}

// What is to be sent is in the FIFO, or nothing was: the reads follow before that runs empty.
static int give_reads(void *ctx) {
    dma_t *moving = ctx;
    size_t count = moving->reads;
    moving->reads = 0;
    if (count > 0) {
        give_words(moving, &read_command, count, true);
    }
    return 0;
}

static void dma_over(dma_t *moving) {
    bool good = state[moving->i2c_num].job.result == I2C_OK && state[moving->i2c_num].job.over;
    bool receive = moving->data.transfer_mode == I2C_RECEIVE;
    if (!good || !receive || !dmac_wait_done_timeout(moving->data.rx_channel, QUIET_US)) {
        dmac_channel_disable(moving->data.tx_channel);
        if (receive) {
            dmac_channel_disable(moving->data.rx_channel);
        }
    }
    dmac_irq_unregister(moving->data.tx_channel);
    i2c[moving->i2c_num]->dma_cr = 0;
}

static int handle_dma_irq(void *ctx) {
    i2c_device_number_t i2c_num = (i2c_device_number_t)(uintptr_t)ctx;
    handle_irq(ctx);
    if (state[i2c_num].job.over && dma[i2c_num].callback != NULL) {
        dma_over(&dma[i2c_num]);
        dma[i2c_num].callback(dma[i2c_num].ctx);
    }
    return 0;
}

static void start_dma(i2c_device_number_t i2c_num, const i2c_data_t *data, uint32_t priority) {
    volatile i2c_t *block = i2c[i2c_num];
    dma_t *moving = &dma[i2c_num];
    bool receive = data->transfer_mode == I2C_RECEIVE;
    prepare(block);
    read_command = I2C_DATA_CMD_CMD;
    state[i2c_num].job = (job_t){.by_dma = true};
    block->dma_cr = I2C_DMA_CR_TDMAE | (receive ? I2C_DMA_CR_RDMAE : 0);
    block->intr_mask = I2C_INTR_STAT_TX_ABRT | I2C_INTR_STAT_STOP_DET;
    enable_irq(i2c_num, handle_dma_irq, priority);
    if (receive) {
        request(data->rx_channel, i2c_num, true);
        dmac_set_single_mode(data->rx_channel, (void *)&block->data_cmd, data->rx_buf, DMAC_ADDR_NOCHANGE,
            DMAC_ADDR_INCREMENT, DMAC_MSIZE_1, DMAC_TRANS_WIDTH_32, data->rx_len);
        moving->reads = data->rx_len;
    }
    if (data->tx_len > 0) {
        dmac_irq_register(data->tx_channel, give_reads, moving, priority);
        give_words(moving, data->tx_buf, data->tx_len, false);
    } else {
        give_reads(moving);
    }
}

void i2c_handle_data_dma(i2c_device_number_t i2c_num, i2c_data_t data, plic_interrupt_t *cb) {
    dma[i2c_num] = (dma_t){.i2c_num = i2c_num, .data = data};
    if (cb != NULL) {
        dma[i2c_num].callback = cb->callback;
        dma[i2c_num].ctx = cb->ctx;
    }
    start_dma(i2c_num, &data, cb != NULL ? cb->priority : 1);
    if (cb == NULL) {
        if (!bsp_wait(&state[i2c_num].job.over, limit_us(i2c_num, data.tx_len + data.rx_len))) {
            give_up(i2c_num);
        }
        dma_over(&dma[i2c_num]);
        wait_quiet(i2c[i2c_num]);
    }
}

void i2c_recv_data_dma(dmac_channel_number_t dma_send_channel_num, dmac_channel_number_t dma_receive_channel_num,
    i2c_device_number_t i2c_num, const uint8_t *send_buf, size_t send_buf_len, uint8_t *receive_buf,
    size_t receive_buf_len) {
    uint32_t *words = iomem_malloc((uint32_t)((send_buf_len + receive_buf_len) * sizeof(uint32_t)));
    if (words == NULL) {
        i2c_recv_data(i2c_num, send_buf, send_buf_len, receive_buf, receive_buf_len);
        return;
    }
    uint32_t *received = words + send_buf_len;
    for (size_t i = 0; i < send_buf_len; i++) {
        words[i] = I2C_DATA_CMD_DATA(send_buf[i]);
    }
    i2c_handle_data_dma(i2c_num,
        (i2c_data_t){
            .tx_channel = dma_send_channel_num,
            .rx_channel = dma_receive_channel_num,
            .tx_buf = words,
            .tx_len = send_buf_len,
            .rx_buf = received,
            .rx_len = receive_buf_len,
            .transfer_mode = receive_buf_len > 0 ? I2C_RECEIVE : I2C_SEND,
        },
        NULL);
    for (size_t i = 0; i < receive_buf_len; i++) {
        receive_buf[i] = (uint8_t)received[i];
    }
    iomem_free(words);
}

void i2c_send_data_dma(
    dmac_channel_number_t dma_channel_num, i2c_device_number_t i2c_num, const uint8_t *send_buf, size_t send_buf_len) {
    i2c_recv_data_dma(dma_channel_num, dma_channel_num, i2c_num, send_buf, send_buf_len, NULL, 0);
}

// ---- Target

static int handle_slave_irq(void *ctx) {
    i2c_device_number_t i2c_num = (i2c_device_number_t)(uintptr_t)ctx;
    volatile i2c_t *block = i2c[i2c_num];
    const i2c_slave_handler_t *handler = state[i2c_num].handler;
    uint32_t status = block->intr_stat;
    if (status & I2C_INTR_STAT_START_DET) {
        (void)block->clr_start_det;
        handler->on_event(I2C_EV_START);
    }
    // Before the STOP: they came before it.
    while (block->status & I2C_STATUS_RFNE) {
        handler->on_receive(block->data_cmd & 0xff);
    }
    if (status & I2C_INTR_STAT_RD_REQ) {
        (void)block->clr_rd_req;
        (void)block->clr_tx_abrt; // raised when the FIFO held bytes that an earlier controller did not take
        block->data_cmd = I2C_DATA_CMD_DATA(handler->on_transmit() & 0xff);
    }
    if (status & I2C_INTR_STAT_STOP_DET) {
        (void)block->clr_stop_det;
        handler->on_event(I2C_EV_STOP);
    }
    return 0;
}

void i2c_init_as_slave(
    i2c_device_number_t i2c_num, uint32_t slave_address, uint32_t address_width, const i2c_slave_handler_t *handler) {
    volatile i2c_t *block = i2c[i2c_num];
    plic_irq_disable(IRQN_I2C0_INTERRUPT + i2c_num);
    memset(&state[i2c_num], 0, sizeof(state[i2c_num]));
    state[i2c_num].handler = handler;
    clock_on(i2c_num);
    block->enable = 0;
    block->con = I2C_CON_SPEED(1) | I2C_CON_STOP_DET_IFADDRESSED | (address_width == 10 ? I2C_CON_10BITADDR_SLAVE : 0);
    block->sar = I2C_SAR_ADDRESS(slave_address);
    block->rx_tl = 0;
    block->tx_tl = 0;
    block->intr_mask = I2C_INTR_STAT_RX_FULL | I2C_INTR_STAT_START_DET | I2C_INTR_STAT_STOP_DET | I2C_INTR_STAT_RD_REQ;
    enable_irq(i2c_num, handle_slave_irq, 1);
    block->enable = I2C_ENABLE_ENABLE;
}
