#include <string.h>

#include "bsp.h"
#include "iomem.h"
#include "spi.h"
#include "sysctl.h"

volatile spi_t *const spi[4] = {
    (volatile spi_t *)SPI0_BASE_ADDR,
    (volatile spi_t *)SPI1_BASE_ADDR,
    (volatile spi_t *)SPI_SLAVE_BASE_ADDR,
    (volatile spi_t *)SPI3_BASE_ADDR,
};

// Where ctrlr0's fields are: SPI3 is a later version of the block.
static const struct {
    uint8_t frame_size, work_mode, transfer_mode, frame_format;
} ctrlr0_shift[4] = {{16, 6, 8, 21}, {16, 6, 8, 21}, {16, 6, 8, 21}, {0, 8, 10, 22}};

#define FIRST_BAUDR (20)
#define BAUDR_MAX (65534)
#define ANY_CHANNEL (-1)

// One less than the FIFO is deep: when all is full, the K210 reports an overrun although nothing is
// lost yet (Linux, drivers/spi/spi-dw-mmio.c). Transfers up to this length are polled.
#define HANDFUL (SPI_FIFO_DEPTH - 1)

// What is copied for one DMA transfer of a buffer that the controller can not use in place.
#define PIECE_WORDS (2048)

// Added to twice the time that a transfer takes by its clock.
#define MARGIN_US (100000)

typedef struct {
    spi_device_num_t num;
    spi_chip_select_t select;
    spi_transfer_mode_t mode;
    const void *head, *tx; // sent one after the other
    void *rx;
    size_t head_frames, tx_frames, rx_frames;
    unsigned head_width, width; // bytes of a frame in memory
    bool fill; // tx is one frame, sent again and again
    bool bytes; // words that hold bytes in the order of memory
    int tx_channel, rx_channel;
} job_t;

// A transfer that goes on after its function returned.
typedef struct {
    volatile bool busy, done;
    int tx_channel, rx_channel;
    plic_interrupt_t after;
} pending_t;

static pending_t pending[4];

// Channels kept for one controller, plus one; 0 for none.
static uint8_t kept_channel[4];

static unsigned frame_bits(spi_device_num_t num) {
    return (spi[num]->ctrlr0 >> ctrlr0_shift[num].frame_size & 31) + 1;
}

static unsigned frame_width(spi_device_num_t num) {
    unsigned bits = frame_bits(num);
    return bits <= 8 ? SPI_TRANS_CHAR : bits <= 16 ? SPI_TRANS_SHORT : SPI_TRANS_INT;
}

static bool is_one_line(spi_device_num_t num) {
    return (spi[num]->ctrlr0 >> ctrlr0_shift[num].frame_format & 3) == SPI_FF_STANDARD;
}

static uint32_t limit_us(spi_device_num_t num, size_t frames) {
    uint64_t clocks = (uint64_t)frames * frame_bits(num) * spi[num]->baudr;
    uint64_t us = 2 * clocks / (sysctl_clock_get_freq(SYSCTL_CLOCK_SPI0 + num) / 1000000 + 1) + MARGIN_US;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void spi_init(spi_device_num_t spi_num, spi_work_mode_t work_mode, spi_frame_format_t frame_format,
    size_t data_bit_length, uint32_t endian) {
    volatile spi_t *s = spi[spi_num];
    if (spi_num == SPI_DEVICE_3) {
        sysctl_clock_set_clock_select(SYSCTL_CLOCK_SELECT_SPI3, 1);
    }
    sysctl_clock_enable(SYSCTL_CLOCK_SPI0 + spi_num);
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_SPI0 + spi_num, 0);
    s->ser = 0;
    s->ssienr = 0;
    if (s->baudr == 0) {
        s->baudr = FIRST_BAUDR;
    }
    s->imr = 0;
    s->dmacr = 0;
    s->dmatdlr = SPI_FIFO_DEPTH / 2;
    s->dmardlr = 0;
    s->ctrlr0 = (uint32_t)work_mode << ctrlr0_shift[spi_num].work_mode
        | (uint32_t)frame_format << ctrlr0_shift[spi_num].frame_format
        | (uint32_t)(data_bit_length - 1) << ctrlr0_shift[spi_num].frame_size;
    s->spi_ctrlr0 = 0;
    s->endian = endian;
}

void spi_init_non_standard(spi_device_num_t spi_num, uint32_t instruction_length, uint32_t address_length,
    uint32_t wait_cycles, spi_instruction_address_trans_mode_t instruction_address_trans_mode) {
    uint32_t code = instruction_length == 16 ? 3 : instruction_length / 4;
    spi[spi_num]->spi_ctrlr0 = SPI_CTRLR0_WAIT_CYCLES(wait_cycles) | SPI_CTRLR0_INST_L(code)
        | SPI_CTRLR0_ADDR_L(address_length / 4) | SPI_CTRLR0_TRANS_TYPE(instruction_address_trans_mode);
}

uint32_t spi_set_clk_rate(spi_device_num_t spi_num, uint32_t spi_clk) {
    uint32_t clock = sysctl_clock_get_freq(SYSCTL_CLOCK_SPI0 + spi_num);
    uint64_t divider = spi_clk ? ((uint64_t)clock + spi_clk - 1) / spi_clk : BAUDR_MAX;
    divider = (divider + 1) & ~1ull; // the block ignores the lowest bit
    uint32_t baudr = divider < 2 ? 2 : divider > BAUDR_MAX ? BAUDR_MAX : (uint32_t)divider;
    spi[spi_num]->baudr = baudr;
    return clock / baudr;
}

// Frames in memory and in words.

// Copies words and turns each round, so that the first byte in memory is the highest of the frame, which
// goes first on the wire. (The block can do that itself, by `endian`, but nothing tells what it then does
// to instruction and address.)
static void copy_turned(void *to, const void *from, size_t words) {
    uint8_t *out = to;
    const uint8_t *in = from;
    for (; words >= 2 && ((uintptr_t)out | (uintptr_t)in) % sizeof(uint64_t) == 0; words -= 2) {
        uint64_t v = *(const uint64_t *)in;
        v = (v & 0x00ff00ff00ff00ff) << 8 | (v >> 8 & 0x00ff00ff00ff00ff);
        *(uint64_t *)out = (v & 0x0000ffff0000ffff) << 16 | (v >> 16 & 0x0000ffff0000ffff);
        in += sizeof(uint64_t);
        out += sizeof(uint64_t);
    }
    for (; words; words--) {
        uint8_t word[4];
        memcpy(word, in, sizeof(word));
        out[0] = word[3];
        out[1] = word[2];
        out[2] = word[1];
        out[3] = word[0];
        in += sizeof(word);
        out += sizeof(word);
    }
}

static void widen(const void *from, unsigned width, uint32_t *to, size_t count) {
    const uint8_t *bytes = from;
    if (width == SPI_TRANS_INT) {
        memcpy(to, from, count * sizeof(uint32_t));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        to[i] = width == SPI_TRANS_CHAR ? bytes[i] : bytes[2 * i] | (uint32_t)bytes[2 * i + 1] << 8;
    }
}

static void narrow(const uint32_t *from, void *to, unsigned width, size_t count) {
    uint8_t *bytes = to;
    if (width == SPI_TRANS_INT) {
        memcpy(to, from, count * sizeof(uint32_t));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t word = from[i];
        if (width == SPI_TRANS_CHAR) {
            bytes[i] = (uint8_t)word;
        } else {
            bytes[2 * i] = (uint8_t)word;
            bytes[2 * i + 1] = (uint8_t)(word >> 8);
        }
    }
}

// What came in, frames `at` to `at + count`, to where the caller wants it.
static void words_in(const job_t *job, size_t at, const uint32_t *from, size_t count) {
    uint8_t *rx = (uint8_t *)job->rx + at * job->width;
    if (job->bytes) {
        copy_turned(rx, from, count);
    } else {
        narrow(from, rx, job->width, count);
    }
}

// How many frames go out.
static size_t frames_out(const job_t *job) {
    size_t count = job->head_frames + job->tx_frames;
    return job->mode == SPI_TMOD_TRANS_RECV && count < job->rx_frames ? job->rx_frames : count;
}

// Frames `at` to `at + count` of what goes out.
static void words_out(const job_t *job, size_t at, uint32_t *to, size_t count) {
    while (count) {
        size_t part;
        if (at < job->head_frames) {
            part = job->head_frames - at < count ? job->head_frames - at : count;
            widen((const uint8_t *)job->head + at * job->head_width, job->head_width, to, part);
        } else if (at - job->head_frames < job->tx_frames) {
            size_t from = at - job->head_frames;
            part = job->fill ? 1 : job->tx_frames - from < count ? job->tx_frames - from : count;
            const uint8_t *tx = (const uint8_t *)job->tx + (job->fill ? 0 : from * job->width);
            if (job->bytes) {
                copy_turned(to, tx, part);
            } else {
                widen(tx, job->width, to, part);
            }
        } else {
            part = 1;
            *to = UINT32_MAX;
        }
        at += part;
        to += part;
        count -= part;
    }
}

// Beginning and end of a transfer.

static void set_transfer_mode(spi_device_num_t num, spi_transfer_mode_t mode) {
    unsigned shift = ctrlr0_shift[num].transfer_mode;
    spi[num]->ctrlr0 = (spi[num]->ctrlr0 & ~(3u << shift)) | (uint32_t)mode << shift;
}

// Switches on and puts up to `most` frames into the FIFO; returns how many it were.
static size_t begin(const job_t *job, uint32_t dmacr, size_t most) {
    volatile spi_t *s = spi[job->num];
    uint32_t words[HANDFUL];
    size_t count = frames_out(job);
    count = count < most ? count : most;
    s->ssienr = 0;
    set_transfer_mode(job->num, job->mode);
    if (job->mode == SPI_TMOD_RECV || job->mode == SPI_TMOD_EEROM) {
        s->ctrlr1 = (uint32_t)job->rx_frames - 1;
    }
    s->dmacr = dmacr;
    s->ssienr = 1;
    words_out(job, 0, words, count);
    for (size_t i = 0; i < count; i++) {
        s->dr[0] = words[i];
    }
    if (job->mode == SPI_TMOD_RECV && is_one_line(job->num)) {
        s->dr[0] = UINT32_MAX; // any frame starts a reception
    }
    return count;
}

// A limit for loops that poll; the clock is read when one begins to wait and then now and then.
typedef struct {
    unsigned polls;
    uint64_t deadline;
} limit_t;

static bool is_over(limit_t *limit, spi_device_num_t num, size_t frames) {
    if (limit->polls++ == 0) {
        limit->deadline = sysctl_get_time_us() + limit_us(num, frames);
    }
    return limit->polls % 256 == 0 && sysctl_get_time_us() > limit->deadline;
}

static bool wait_idle(spi_device_num_t num) {
    limit_t limit = {0};
    while ((spi[num]->sr & (SPI_SR_BUSY | SPI_SR_TX_EMPTY)) != SPI_SR_TX_EMPTY) {
        if (is_over(&limit, num, SPI_FIFO_DEPTH)) {
            return false;
        }
    }
    return true;
}

void spi_stop(spi_device_num_t spi_num) {
    pending_t *p = &pending[spi_num];
    if (p->busy) {
        dmac_channel_free(p->tx_channel);
        dmac_channel_free(p->rx_channel);
        p->busy = false;
    }
    spi[spi_num]->ser = 0;
    spi[spi_num]->ssienr = 0;
    spi[spi_num]->dmacr = 0;
}

// Polled: for what fits the FIFO, and when no DMA channel is free.

static bool run_polled(const job_t *job) {
    volatile spi_t *s = spi[job->num];
    bool both = job->mode == SPI_TMOD_TRANS_RECV, good = true;
    size_t out = frames_out(job), in = both ? out : job->mode == SPI_TMOD_TRANS ? 0 : job->rx_frames, received = 0;
    limit_t limit = {0};
    size_t sent = begin(job, 0, HANDFUL);
    s->ser = 1u << job->select;
    while (good && (sent < out || received < in)) {
        uint32_t status = s->sr;
        if (status & SPI_SR_RX_NOT_EMPTY && received < in) {
            uint32_t word = s->dr[0];
            if (received < job->rx_frames) {
                words_in(job, received, &word, 1);
            }
            received++;
        } else if (sent < out && status & SPI_SR_TX_NOT_FULL && !(both && sent - received >= HANDFUL)) {
            uint32_t word;
            words_out(job, sent++, &word, 1);
            s->dr[0] = word;
        } else {
            good = !is_over(&limit, job->num, out + in);
        }
    }
    return good && wait_idle(job->num);
}

// By DMA.

static int take_channel(int wanted) {
    if (wanted >= 0 && wanted < DMAC_CHANNEL_MAX && dmac_channel_claim(wanted)) {
        return wanted;
    }
    return dmac_channel_alloc();
}

bool spi_keep_channel(spi_device_num_t spi_num) {
    if (!kept_channel[spi_num]) {
        kept_channel[spi_num] = (uint8_t)(dmac_channel_alloc() + 1);
    }
    return kept_channel[spi_num] != 0;
}

// Whether the DMA controller can use the caller's frames as they are.
static bool in_place(const job_t *job, const void *frames) {
    return job->width == SPI_TRANS_INT && !job->bytes && !is_memory_cache((uintptr_t)frames)
        && (uintptr_t)frames % sizeof(uint32_t) == 0;
}

static void start_receiving(const job_t *job, int channel, void *to) {
    sysctl_dma_select((sysctl_dma_channel_t)channel, SYSCTL_DMA_SELECT_SSI0_RX_REQ + job->num * 2);
    dmac_set_single_mode(channel, (const void *)&spi[job->num]->dr[0], to, DMAC_ADDR_NOCHANGE, DMAC_ADDR_INCREMENT,
        DMAC_MSIZE_1, DMAC_TRANS_WIDTH_32, job->rx_frames);
}

static void start_sending(const job_t *job, int channel, const void *from, size_t frames) {
    sysctl_dma_select((sysctl_dma_channel_t)channel, SYSCTL_DMA_SELECT_SSI0_TX_REQ + job->num * 2);
    dmac_set_single_mode(channel, from, (void *)&spi[job->num]->dr[0],
        job->fill ? DMAC_ADDR_NOCHANGE : DMAC_ADDR_INCREMENT, DMAC_ADDR_NOCHANGE, DMAC_MSIZE_4, DMAC_TRANS_WIDTH_32,
        frames);
}

// Sends from frame `sent` on in two turns: one half of `words` goes out while the other is filled.
static bool send_pieces(const job_t *job, int channel, size_t sent, uint32_t *words, size_t half) {
    size_t out = frames_out(job);
    uint32_t limit = limit_us(job->num, out);
    size_t next = out - sent < half ? out - sent : half;
    words_out(job, sent, words, next);
    for (unsigned turn = 0; next; turn ^= 1) {
        start_sending(job, channel, words + turn * half, next);
        spi[job->num]->ser = 1u << job->select;
        sent += next;
        next = out - sent < half ? out - sent : half;
        words_out(job, sent, words + (turn ^ 1) * half, next);
        if (!dmac_wait_done_timeout(channel, limit)) {
            return false;
        }
    }
    return true;
}

static bool send_rest(const job_t *job, int channel, size_t sent) {
    size_t left = frames_out(job) - sent;
    size_t from = sent - job->head_frames;
    bool tx_only = sent >= job->head_frames && frames_out(job) == job->head_frames + job->tx_frames;
    if (tx_only && in_place(job, job->tx)) {
        start_sending(job, channel, (const uint32_t *)job->tx + (job->fill ? 0 : from), left);
        spi[job->num]->ser = 1u << job->select;
        return dmac_wait_done_timeout(channel, limit_us(job->num, left));
    }
    size_t half = job->fill ? 1 : left < PIECE_WORDS ? left : PIECE_WORDS;
    uint32_t *words = NULL;
    for (; half && !(words = iomem_malloc(2 * half * sizeof(uint32_t))); half /= 2) {
    }
    if (!words) {
        return false;
    }
    bool good;
    if (job->fill) {
        words_out(job, sent, words, 1);
        start_sending(job, channel, words, left);
        spi[job->num]->ser = 1u << job->select;
        good = dmac_wait_done_timeout(channel, limit_us(job->num, left));
    } else {
        good = send_pieces(job, channel, sent, words, half);
    }
    iomem_free(words);
    return good;
}

static bool run_dma(const job_t *job, int tx_channel, int rx_channel) {
    bool receives = job->mode != SPI_TMOD_TRANS, good = true;
    uint32_t *words = NULL;
    if (receives && !in_place(job, job->rx)) {
        words = iomem_malloc((uint32_t)(job->rx_frames * sizeof(uint32_t)));
        if (!words) {
            return false;
        }
    }
    bool more = frames_out(job) > HANDFUL;
    size_t sent = begin(job, (receives ? SPI_DMACR_RX : 0) | (more ? SPI_DMACR_TX : 0), HANDFUL);
    if (receives) {
        start_receiving(job, rx_channel, words ? words : job->rx);
    }
    if (more) {
        good = send_rest(job, tx_channel, sent);
    } else {
        spi[job->num]->ser = 1u << job->select;
    }
    if (receives) {
        good = good && dmac_wait_done_timeout(rx_channel, limit_us(job->num, job->rx_frames));
    }
    good = good && wait_idle(job->num);
    if (words) {
        words_in(job, 0, words, good ? job->rx_frames : 0);
        iomem_free(words);
    }
    return good;
}

static bool wait_pending(spi_device_num_t num) {
    return !pending[num].busy || bsp_wait(&pending[num].done, DMAC_WAIT_LIMIT_US);
}

static bool run_in_channels(const job_t *job, bool sends, bool receives) {
    if (kept_channel[job->num] && !(sends && receives)) {
        return run_dma(job, kept_channel[job->num] - 1, kept_channel[job->num] - 1);
    }
    int tx_channel = sends ? take_channel(job->tx_channel) : ANY_CHANNEL;
    int rx_channel = receives ? take_channel(job->rx_channel) : ANY_CHANNEL;
    bool have = (tx_channel >= 0 || !sends) && (rx_channel >= 0 || !receives);
    bool good = have ? run_dma(job, tx_channel, rx_channel) : run_polled(job);
    if (tx_channel >= 0) {
        dmac_channel_free(tx_channel);
    }
    if (rx_channel >= 0) {
        dmac_channel_free(rx_channel);
    }
    return good;
}

static bool run_one(const job_t *job) {
    bool receives = job->mode != SPI_TMOD_TRANS;
    size_t out = frames_out(job);
    bool good;
    if (out <= HANDFUL && (!receives || job->rx_frames <= HANDFUL)) {
        good = run_polled(job);
    } else {
        good = run_in_channels(job, out > HANDFUL, receives);
    }
    spi[job->num]->ser = 0;
    spi[job->num]->ssienr = 0;
    return good;
}

static bool run(job_t job) {
    if (!wait_pending(job.num)) {
        return false;
    }
    if (job.mode != SPI_TMOD_TRANS_RECV || frames_out(&job) <= PIECE_WORDS) {
        return run_one(&job);
    }
    // Both ways only in pieces, so that the memory for what comes in is bounded.
    size_t all_out = job.tx_frames, all_in = job.rx_frames, count = frames_out(&job);
    const uint8_t *tx = job.tx;
    uint8_t *rx = job.rx;
    for (size_t at = 0; at < count; at += PIECE_WORDS) {
        size_t out = at < all_out ? all_out - at : 0, in = at < all_in ? all_in - at : 0;
        job.tx = tx + at * job.width;
        job.tx_frames = out < PIECE_WORDS ? out : PIECE_WORDS;
        job.rx = rx + at * job.width;
        job.rx_frames = in < PIECE_WORDS ? in : PIECE_WORDS;
        if (!run_one(&job)) {
            return false;
        }
    }
    return true;
}

// The SDK's functions.

static bool send(spi_device_num_t num, spi_chip_select_t select, const void *head, size_t head_frames,
    unsigned head_width, const void *tx, size_t tx_frames, unsigned width, int channel) {
    return run((job_t){
        .num = num,
        .select = select,
        .mode = SPI_TMOD_TRANS,
        .head = head,
        .head_frames = head_frames,
        .head_width = head_width,
        .tx = tx,
        .tx_frames = tx_frames,
        .width = width,
        .tx_channel = channel,
        .rx_channel = ANY_CHANNEL,
    });
}

static bool receive(spi_device_num_t num, spi_chip_select_t select, const void *head, size_t head_frames,
    unsigned head_width, void *rx, size_t rx_frames, int tx_channel, int rx_channel) {
    if (rx_frames == 0 || rx_frames > SPI_FRAMES_MAX) {
        return false;
    }
    return run((job_t){
        .num = num,
        .select = select,
        .mode = head_frames ? SPI_TMOD_EEROM : SPI_TMOD_RECV,
        .head = head,
        .head_frames = head_frames,
        .head_width = head_width,
        .rx = rx,
        .rx_frames = rx_frames,
        .width = frame_width(num),
        .tx_channel = tx_channel,
        .rx_channel = rx_channel,
    });
}

bool spi_send_data_standard(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint8_t *cmd_buff,
    size_t cmd_len, const uint8_t *tx_buff, size_t tx_len) {
    return spi_send_data_standard_dma(ANY_CHANNEL, spi_num, chip_select, cmd_buff, cmd_len, tx_buff, tx_len);
}

bool spi_send_data_standard_dma(dmac_channel_number_t channel_num, spi_device_num_t spi_num,
    spi_chip_select_t chip_select, const uint8_t *cmd_buff, size_t cmd_len, const uint8_t *tx_buff, size_t tx_len) {
    unsigned width = frame_width(spi_num);
    return send(
        spi_num, chip_select, cmd_buff, cmd_len / width, width, tx_buff, tx_len / width, width, (int)channel_num);
}

bool spi_receive_data_standard(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint8_t *cmd_buff,
    size_t cmd_len, uint8_t *rx_buff, size_t rx_len) {
    return spi_receive_data_standard_dma(
        ANY_CHANNEL, ANY_CHANNEL, spi_num, chip_select, cmd_buff, cmd_len, rx_buff, rx_len);
}

bool spi_receive_data_standard_dma(dmac_channel_number_t dma_send_channel_num,
    dmac_channel_number_t dma_receive_channel_num, spi_device_num_t spi_num, spi_chip_select_t chip_select,
    const uint8_t *cmd_buff, size_t cmd_len, uint8_t *rx_buff, size_t rx_len) {
    unsigned width = frame_width(spi_num);
    return receive(spi_num, chip_select, cmd_buff, cmd_len / width, width, rx_buff, rx_len / width,
        (int)dma_send_channel_num, (int)dma_receive_channel_num);
}

bool spi_send_data_multiple(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint32_t *cmd_buff,
    size_t cmd_len, const uint8_t *tx_buff, size_t tx_len) {
    return spi_send_data_multiple_dma(ANY_CHANNEL, spi_num, chip_select, cmd_buff, cmd_len, tx_buff, tx_len);
}

bool spi_send_data_multiple_dma(dmac_channel_number_t channel_num, spi_device_num_t spi_num,
    spi_chip_select_t chip_select, const uint32_t *cmd_buff, size_t cmd_len, const uint8_t *tx_buff, size_t tx_len) {
    unsigned width = frame_width(spi_num);
    return send(
        spi_num, chip_select, cmd_buff, cmd_len, SPI_TRANS_INT, tx_buff, tx_len / width, width, (int)channel_num);
}

bool spi_receive_data_multiple(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint32_t *cmd_buff,
    size_t cmd_len, uint8_t *rx_buff, size_t rx_len) {
    return spi_receive_data_multiple_dma(
        ANY_CHANNEL, ANY_CHANNEL, spi_num, chip_select, cmd_buff, cmd_len, rx_buff, rx_len);
}

bool spi_receive_data_multiple_dma(dmac_channel_number_t dma_send_channel_num,
    dmac_channel_number_t dma_receive_channel_num, spi_device_num_t spi_num, spi_chip_select_t chip_select,
    const uint32_t *cmd_buff, size_t cmd_len, uint8_t *rx_buff, size_t rx_len) {
    return receive(spi_num, chip_select, cmd_buff, cmd_len, SPI_TRANS_INT, rx_buff, rx_len / frame_width(spi_num),
        (int)dma_send_channel_num, (int)dma_receive_channel_num);
}

bool spi_send_data_normal_dma(dmac_channel_number_t channel_num, spi_device_num_t spi_num,
    spi_chip_select_t chip_select, const void *tx_buff, size_t tx_len, spi_transfer_width_t spi_transfer_width) {
    return send(spi_num, chip_select, NULL, 0, SPI_TRANS_INT, tx_buff, tx_len, spi_transfer_width, (int)channel_num);
}

bool spi_fill_data_dma(dmac_channel_number_t channel_num, spi_device_num_t spi_num, spi_chip_select_t chip_select,
    const uint32_t *tx_buff, size_t tx_len) {
    return run((job_t){
        .num = spi_num,
        .select = chip_select,
        .mode = SPI_TMOD_TRANS,
        .tx = tx_buff,
        .tx_frames = tx_len,
        .width = SPI_TRANS_INT,
        .fill = true,
        .tx_channel = (int)channel_num,
        .rx_channel = ANY_CHANNEL,
    });
}

bool spi_dup_send_receive_data_dma(dmac_channel_number_t dma_send_channel_num,
    dmac_channel_number_t dma_receive_channel_num, spi_device_num_t spi_num, spi_chip_select_t chip_select,
    const uint8_t *tx_buf, size_t tx_len, uint8_t *rx_buf, size_t rx_len) {
    unsigned width = frame_width(spi_num);
    return run((job_t){
        .num = spi_num,
        .select = chip_select,
        .mode = SPI_TMOD_TRANS_RECV,
        .tx = tx_buf,
        .tx_frames = tx_len / width,
        .rx = rx_buf,
        .rx_frames = rx_len / width,
        .width = width,
        .tx_channel = (int)dma_send_channel_num,
        .rx_channel = (int)dma_receive_channel_num,
    });
}

// Bytes in frames of 32 bits.

static job_t byte_job(spi_device_num_t num, spi_chip_select_t select, const uint32_t *head, size_t head_frames) {
    return (job_t){
        .num = num,
        .select = select,
        .head = head,
        .head_frames = head_frames,
        .head_width = SPI_TRANS_INT,
        .width = SPI_TRANS_INT,
        .bytes = true,
        .tx_channel = ANY_CHANNEL,
        .rx_channel = ANY_CHANNEL,
    };
}

bool spi_send_bytes(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint32_t *cmd_buff, size_t cmd_len,
    const uint8_t *tx_buff, size_t tx_len) {
    job_t job = byte_job(spi_num, chip_select, cmd_buff, cmd_len);
    job.mode = SPI_TMOD_TRANS;
    job.tx = tx_buff;
    job.tx_frames = tx_len / sizeof(uint32_t);
    return run(job);
}

bool spi_receive_bytes(spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint32_t *cmd_buff,
    size_t cmd_len, uint8_t *rx_buff, size_t rx_len) {
    job_t job = byte_job(spi_num, chip_select, cmd_buff, cmd_len);
    job.mode = cmd_len ? SPI_TMOD_EEROM : SPI_TMOD_RECV;
    job.rx = rx_buff;
    job.rx_frames = rx_len / sizeof(uint32_t);
    return job.rx_frames && job.rx_frames <= SPI_FRAMES_MAX && run(job);
}

bool spi_exchange_bytes(
    spi_device_num_t spi_num, spi_chip_select_t chip_select, const uint8_t *tx_buff, uint8_t *rx_buff, size_t length) {
    job_t job = byte_job(spi_num, chip_select, NULL, 0);
    job.mode = SPI_TMOD_TRANS_RECV;
    job.tx = tx_buff;
    job.rx = rx_buff;
    job.tx_frames = job.rx_frames = length / sizeof(uint32_t);
    return run(job);
}

bool spi_exchange_byte(spi_device_num_t spi_num, spi_chip_select_t chip_select, uint8_t out, uint8_t *in) {
    volatile spi_t *s = spi[spi_num];
    limit_t limit = {0};
    bool good = wait_pending(spi_num);
    s->ssienr = 0;
    set_transfer_mode(spi_num, SPI_TMOD_TRANS_RECV);
    s->dmacr = 0;
    s->ssienr = 1;
    s->dr[0] = out;
    s->ser = 1u << chip_select;
    while (good && !(s->sr & SPI_SR_RX_NOT_EMPTY)) {
        good = !is_over(&limit, spi_num, 1);
    }
    if (good) {
        *in = (uint8_t)s->dr[0];
    }
    s->ser = 0;
    s->ssienr = 0;
    return good;
}

// Transfers that end in the interrupt.

static int on_end(void *ctx) {
    pending_t *p = ctx;
    spi_device_num_t num = (spi_device_num_t)(p - pending);
    wait_idle(num); // what is left in the FIFO: at most 32 frames
    spi_stop(num);
    p->done = true;
    if (p->after.callback) {
        p->after.callback(p->after.ctx);
    }
    return 0;
}

bool spi_handle_data_dma(
    spi_device_num_t spi_num, spi_chip_select_t chip_select, spi_data_t data, plic_interrupt_t *cb) {
    job_t job = {
        .num = spi_num,
        .select = chip_select,
        .mode = data.transfer_mode,
        .tx = data.tx_buf,
        .tx_frames = data.transfer_mode == SPI_TMOD_RECV ? 0 : data.tx_len,
        .rx = data.rx_buf,
        .rx_frames = data.transfer_mode == SPI_TMOD_TRANS ? 0 : data.rx_len,
        .width = SPI_TRANS_INT,
        .fill = data.fill_mode,
        .tx_channel = (int)data.tx_channel,
        .rx_channel = (int)data.rx_channel,
    };
    if (!cb) {
        return run(job);
    }
    pending_t *p = &pending[spi_num];
    if (!wait_pending(spi_num)) {
        return false;
    }
    p->tx_channel = take_channel(job.tx_channel);
    p->rx_channel = take_channel(job.rx_channel);
    p->after = *cb;
    p->done = false;
    p->busy = true;
    if (p->tx_channel < 0 || p->rx_channel < 0) {
        spi_stop(spi_num);
        return false;
    }
    // Nothing is sent by hand, so that there is a transfer whose end interrupts.
    bool receives = job.rx_frames > 0, sends = job.tx_frames > 0;
    begin(&job, (receives ? SPI_DMACR_RX : 0) | (sends ? SPI_DMACR_TX : 0), 0);
    dmac_irq_register(receives ? p->rx_channel : p->tx_channel, on_end, p, cb->priority);
    if (receives) {
        start_receiving(&job, p->rx_channel, job.rx);
    }
    if (sends) {
        start_sending(&job, p->tx_channel, job.tx, job.tx_frames);
    }
    spi[spi_num]->ser = 1u << chip_select;
    return true;
}
