// Included by extmod/machine_i2s.c: I2S0 to I2S2, one data line, either direction.
//
// Between the user and the wire lie a buffer of `ibuf` bytes, in the user's format, and two blocks of words that DMA
// plays or fills in turn; the interrupt at the end of each starts the other one, then moves frames between the block
// and the buffer. What is missing is played as silence, what does not fit is lost.
//
// extmod's own ring buffer (MICROPY_PY_MACHINE_I2S_RING_BUF) spins while it waits, so that Ctrl-C would have to wait
// too; the functions here take the place of those for a queue and its task.

#include <stdlib.h> // extmod/machine_i2s.c uses abs()
#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"

#include "dmac.h"
#include "fpioa.h"
#include "i2s.h"
#include "iomem.h"
#include "machine_buses.h"
#include "sysctl.h"

#define MICROPY_PY_MACHINE_I2S_CONSTANT_RX (0)
#define MICROPY_PY_MACHINE_I2S_CONSTANT_TX (1)

#define NO_PIN ((mp_hal_pin_obj_t) - 1)
#define I2S_COUNT (I2S_DEVICE_MAX)
// Frames of a block, of which the buffer holds at least two.
#define BLOCK_MIN (16)
#define BLOCK_MAX (128)
#define IBUF_MAX (1 << 20)
#define MIN_RATE (1000)
#define MAX_RATE (192000)
#define SLOT_BITS (32)
#define MCK_PER_FRAME (256)
// PLL2 feeds the dividers of all three; it is set when only one runs.
#define PLL2_LEAST (150000000)
#define PLL2_TRIES (16)
#define RATE_ERROR_PERCENT (2)

typedef enum { I2S_RX_TRANSFER, I2S_TX_TRANSFER } i2s_direction_t;

typedef enum { DMA_MEMORY_FULL, DMA_MEMORY_NOT_FULL, DMA_MEMORY_EMPTY, DMA_MEMORY_NOT_EMPTY } dma_buffer_status_t;

// What a non-blocking call leaves to the interrupt.
typedef struct {
    mp_buffer_info_t appbuf;
    size_t index;
    mp_obj_t callback;
    i2s_direction_t direction;
} non_blocking_descriptor_t;

struct _machine_i2s_obj_t {
    mp_obj_base_t base;
    uint8_t i2s_id;
    mp_hal_pin_obj_t sck, ws, sd, mck;
    uint8_t mode;
    int8_t bits;
    format_t format;
    int32_t rate, ibuf;
    mp_obj_t callback_for_non_blocking;
    io_mode_t io_mode;
    machine_i2s_obj_t *non_blocking_mode_queue; // itself; see xQueueSend()
    volatile dma_buffer_status_t dma_buffer_status; // for select: not full when sending, not empty when receiving
    non_blocking_descriptor_t job; // buf is NULL when there is none
    bool running;
    int8_t dma_channel;
    uint8_t block; // the one that DMA is at
    uint8_t frame_bytes; // of the user's format
    uint8_t block_frames;
    uint8_t *buffer; // `size` bytes, whole frames
    size_t size;
    volatile size_t put, got; // bytes since the start
};

static uint32_t blocks[I2S_COUNT][2][2 * BLOCK_MAX] IOMEM;

MP_REGISTER_ROOT_POINTER(struct _machine_i2s_obj_t *k210_i2s_objects[3]);

// ---- The buffer

static size_t waiting(const machine_i2s_obj_t *self) {
    return self->put - self->got;
}

static size_t room(const machine_i2s_obj_t *self) {
    return self->size - waiting(self);
}

static void note_status(machine_i2s_obj_t *self) {
    if (self->mode == MICROPY_PY_MACHINE_I2S_CONSTANT_TX) {
        self->dma_buffer_status = room(self) > 0 ? DMA_MEMORY_NOT_FULL : DMA_MEMORY_FULL;
    } else {
        self->dma_buffer_status = waiting(self) > 0 ? DMA_MEMORY_NOT_EMPTY : DMA_MEMORY_EMPTY;
    }
}

// Both return how much they moved.
static size_t put_bytes(machine_i2s_obj_t *self, const uint8_t *from, size_t count) {
    count = MIN(count, room(self));
    size_t at = self->put % self->size, first = MIN(count, self->size - at);
    memcpy(self->buffer + at, from, first);
    memcpy(self->buffer, from + first, count - first);
    self->put += count;
    note_status(self);
    return count;
}

static size_t get_bytes(machine_i2s_obj_t *self, uint8_t *to, size_t count) {
    count = MIN(count, waiting(self));
    size_t at = self->got % self->size, first = MIN(count, self->size - at);
    memcpy(to, self->buffer + at, first);
    memcpy(to + first, self->buffer, count - first);
    self->got += count;
    note_status(self);
    return count;
}

// ---- Frames between the buffer and a block of words: left, right. Frames do not wrap, and are aligned to samples.

static uint32_t load(const machine_i2s_obj_t *self, const uint8_t *sample) {
    return self->bits == 16 ? *(const uint16_t *)sample : *(const uint32_t *)sample;
}

static void store(const machine_i2s_obj_t *self, uint8_t *sample, uint32_t word) {
    if (self->bits == 16) {
        *(uint16_t *)sample = (uint16_t)word;
    } else {
        *(uint32_t *)sample = word;
    }
}

static void fill_block(machine_i2s_obj_t *self, uint32_t *words) {
    size_t frames = MIN(waiting(self) / self->frame_bytes, self->block_frames);
    size_t right = self->format == STEREO ? self->bits / 8 : 0;
    size_t at = self->got % self->size;
    for (size_t i = 0; i < frames; i++) {
        words[2 * i] = load(self, self->buffer + at);
        words[2 * i + 1] = load(self, self->buffer + at + right);
        at += self->frame_bytes;
        at = at == self->size ? 0 : at;
    }
    self->got += frames * self->frame_bytes;
    memset(words + 2 * frames, 0, (self->block_frames - frames) * 2 * sizeof(*words));
}

static void empty_block(machine_i2s_obj_t *self, const uint32_t *words) {
    size_t frames = MIN(room(self) / self->frame_bytes, self->block_frames);
    size_t at = self->put % self->size;
    for (size_t i = 0; i < frames; i++) {
        store(self, self->buffer + at, words[2 * i]);
        if (self->format == STEREO) {
            store(self, self->buffer + at + self->bits / 8, words[2 * i + 1]);
        }
        at += self->frame_bytes;
        at = at == self->size ? 0 : at;
    }
    self->put += frames * self->frame_bytes;
}

// Goes on with a non-blocking call.
static void advance_job(machine_i2s_obj_t *self) {
    non_blocking_descriptor_t *job = &self->job;
    if (job->appbuf.buf == NULL) {
        return;
    }
    uint8_t *at = (uint8_t *)job->appbuf.buf + job->index;
    size_t left = job->appbuf.len - job->index;
    job->index += job->direction == I2S_TX_TRANSFER ? put_bytes(self, at, left) : get_bytes(self, at, left);
    if (job->index == job->appbuf.len) {
        job->appbuf.buf = NULL;
        mp_sched_schedule(job->callback, MP_OBJ_FROM_PTR(self));
    }
}

static void start_block(machine_i2s_obj_t *self, unsigned which) {
    uint32_t *words = blocks[self->i2s_id][which];
    i2s_data_t data = {
        .tx_channel = (dmac_channel_number_t)self->dma_channel,
        .rx_channel = (dmac_channel_number_t)self->dma_channel,
        .tx_buf = words,
        .tx_len = 2u * self->block_frames,
        .rx_buf = words,
        .rx_len = 2u * self->block_frames,
        .transfer_mode = self->mode == MICROPY_PY_MACHINE_I2S_CONSTANT_TX ? I2S_SEND : I2S_RECEIVE,
        .nowait_dma_idle = true,
    };
    self->block = (uint8_t)which;
    i2s_handle_data_dma((i2s_device_number_t)self->i2s_id, data, NULL);
}

static int block_done(void *ctx) {
    machine_i2s_obj_t *self = ctx;
    unsigned done = self->block;
    // First of all: the FIFO lasts for 16 frames.
    start_block(self, !done);
    if (self->mode == MICROPY_PY_MACHINE_I2S_CONSTANT_TX) {
        advance_job(self);
        fill_block(self, blocks[self->i2s_id][done]);
    } else {
        empty_block(self, blocks[self->i2s_id][done]);
        advance_job(self);
    }
    note_status(self);
    return 0;
}

// ---- What extmod asks for

static uint32_t fill_appbuf_from_dma(machine_i2s_obj_t *self, mp_buffer_info_t *appbuf) {
    size_t count = 0;
    for (;;) {
        uint64_t before = bsp_irq_save();
        count += get_bytes(self, (uint8_t *)appbuf->buf + count, appbuf->len - count);
        bsp_irq_restore(before);
        if (count == appbuf->len || self->io_mode == ASYNCIO || !self->running) {
            return (uint32_t)count;
        }
        mp_event_wait_indefinite();
    }
}

static uint32_t copy_appbuf_to_dma(machine_i2s_obj_t *self, mp_buffer_info_t *appbuf) {
    size_t count = 0;
    for (;;) {
        uint64_t before = bsp_irq_save();
        count += put_bytes(self, (const uint8_t *)appbuf->buf + count, appbuf->len - count);
        bsp_irq_restore(before);
        if (count == appbuf->len || self->io_mode == ASYNCIO || !self->running) {
            return (uint32_t)count;
        }
        mp_event_wait_indefinite();
    }
}

// A non-blocking call hands over its buffer; the name is what extmod calls where others have a task for it.
static void xQueueSend(machine_i2s_obj_t *self, const non_blocking_descriptor_t *job, int wait) {
    (void)wait;
    uint64_t before = bsp_irq_save();
    self->job = *job;
    self->job.index = 0;
    advance_job(self);
    bsp_irq_restore(before);
}

static void mp_machine_i2s_irq_update(machine_i2s_obj_t *self) {
    self->job.appbuf.buf = NULL;
}

// ---- Clocks and life

static bool others_run(const machine_i2s_obj_t *self) {
    for (unsigned i = 0; i < I2S_COUNT; i++) {
        const machine_i2s_obj_t *other = MP_STATE_PORT(k210_i2s_objects)[i];
        if (other != NULL && other != self && other->running) {
            return true;
        }
    }
    return false;
}

// Sets PLL2 as near as it gets to a multiple of what the dividers need.
static void set_pll(uint32_t rate) {
    uint32_t step = 2 * MCK_PER_FRAME * rate; // both the bit clock and the master clock divide it
    uint32_t first = (PLL2_LEAST + step - 1) / step, best = 0, error = UINT32_MAX;
    for (uint32_t n = first; n < first + PLL2_TRIES && error > 0; n++) {
        uint32_t wanted = n * step, got = sysctl_pll_set_freq(SYSCTL_PLL2, wanted);
        uint32_t off = (got > wanted ? got - wanted : wanted - got) / n;
        if (got > 0 && off < error) {
            error = off;
            best = wanted;
        }
    }
    sysctl_pll_set_freq(SYSCTL_PLL2, best);
}

static void set_rate(machine_i2s_obj_t *self) {
    if (!others_run(self)) {
        set_pll((uint32_t)self->rate);
    }
    int64_t got = i2s_set_sample_rate((i2s_device_number_t)self->i2s_id, (uint32_t)self->rate) / (2 * SLOT_BITS);
    int64_t off = got - self->rate;
    if ((off < 0 ? -off : off) * 100 > (int64_t)self->rate * RATE_ERROR_PERCENT) {
        i2s_deinit((i2s_device_number_t)self->i2s_id);
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("rate %d is not possible while another I2S runs: the nearest is %d"), (int)self->rate,
            (int)got);
    }
    uint32_t pll = sysctl_pll_get_freq(SYSCTL_PLL2), twice = 2 * MCK_PER_FRAME * (uint32_t)self->rate;
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_I2S0_M + self->i2s_id, MAX((int)((pll + twice / 2) / twice), 1) - 1);
}

static void stop(machine_i2s_obj_t *self) {
    if (self->running) {
        self->running = false;
        dmac_irq_unregister((dmac_channel_number_t)self->dma_channel);
        dmac_channel_free((dmac_channel_number_t)self->dma_channel);
        i2s_deinit((i2s_device_number_t)self->i2s_id);
        self->job.appbuf.buf = NULL;
        self->buffer = NULL;
    }
}

static void start(machine_i2s_obj_t *self) {
    i2s_device_number_t device = (i2s_device_number_t)self->i2s_id;
    bool sends = self->mode == MICROPY_PY_MACHINE_I2S_CONSTANT_TX;
    i2s_word_length_t length = self->bits == 16 ? RESOLUTION_16_BIT : RESOLUTION_32_BIT;
    i2s_init(device, sends ? I2S_TRANSMITTER : I2S_RECEIVER, 3);
    // The slots first, which the rate depends on; the line again below, for an empty FIFO.
    (sends ? i2s_tx_channel_config : i2s_rx_channel_config)(
        device, I2S_CHANNEL_0, length, SCLK_CYCLES_32, TRIGGER_LEVEL_8, STANDARD_MODE);
    set_rate(self);
    int channel = dmac_channel_alloc();
    if (channel < 0) {
        i2s_deinit(device);
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("all DMA channels are in use"));
    }
    self->dma_channel = (int8_t)channel;
    unsigned functions = 11 * self->i2s_id; // each block's functions follow the one's before
    fpioa_set_function((int)self->sck, FUNC_I2S0_SCLK + functions);
    fpioa_set_function((int)self->ws, FUNC_I2S0_WS + functions);
    fpioa_set_function((int)self->sd, (sends ? FUNC_I2S0_OUT_D0 : FUNC_I2S0_IN_D0) + functions);
    if (self->mck != NO_PIN) {
        fpioa_set_function((int)self->mck, FUNC_I2S0_MCLK + functions);
    }
    memset(blocks[self->i2s_id], 0, sizeof(blocks[0]));
    self->running = true;
    dmac_irq_register((dmac_channel_number_t)channel, block_done, self, 1);
    (sends ? i2s_tx_channel_config : i2s_rx_channel_config)(
        device, I2S_CHANNEL_0, length, SCLK_CYCLES_32, TRIGGER_LEVEL_8, STANDARD_MODE);
    start_block(self, 0);
}

static void mp_machine_i2s_init_helper(machine_i2s_obj_t *self, mp_arg_val_t *args) {
    mp_int_t mode = args[ARG_mode].u_int, bits = args[ARG_bits].u_int, format = args[ARG_format].u_int;
    mp_int_t rate = args[ARG_rate].u_int, ibuf = args[ARG_ibuf].u_int;
    if (mode != MICROPY_PY_MACHINE_I2S_CONSTANT_RX && mode != MICROPY_PY_MACHINE_I2S_CONSTANT_TX) {
        mp_raise_ValueError(MP_ERROR_TEXT("invalid mode"));
    }
    if (bits != 16 && bits != 32) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("bits %d is not 16 or 32"), (int)bits);
    }
    if (format != MONO && format != STEREO) {
        mp_raise_ValueError(MP_ERROR_TEXT("invalid format"));
    }
    if (rate < MIN_RATE || rate > MAX_RATE) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("rate %d is not between %d and %d"), (int)rate, MIN_RATE, MAX_RATE);
    }
    uint8_t frame_bytes = (uint8_t)(bits / 8 * (format == STEREO ? 2 : 1));
    if (ibuf < frame_bytes || ibuf > IBUF_MAX) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("ibuf %d is not between %d and %d"), (int)ibuf,
            (int)frame_bytes, IBUF_MAX);
    }
    self->sck = mp_hal_get_pin_obj(args[ARG_sck].u_obj);
    self->ws = mp_hal_get_pin_obj(args[ARG_ws].u_obj);
    self->sd = mp_hal_get_pin_obj(args[ARG_sd].u_obj);
    self->mck = args[ARG_mck].u_obj == mp_const_none ? NO_PIN : mp_hal_get_pin_obj(args[ARG_mck].u_obj);
    self->mode = (uint8_t)mode;
    self->bits = (int8_t)bits;
    self->format = (format_t)format;
    self->rate = (int32_t)rate;
    self->ibuf = (int32_t)ibuf;
    self->callback_for_non_blocking = MP_OBJ_NULL;
    self->io_mode = BLOCKING;
    self->non_blocking_mode_queue = self;
    self->job.appbuf.buf = NULL;
    self->frame_bytes = frame_bytes;
    size_t frames = MAX((size_t)ibuf / frame_bytes, 2 * BLOCK_MIN);
    self->block_frames = (uint8_t)MIN(frames / 2, BLOCK_MAX);
    self->size = frames * frame_bytes;
    self->buffer = m_new(uint8_t, self->size);
    self->put = self->got = 0;
    note_status(self);
    start(self);
}

static machine_i2s_obj_t *mp_machine_i2s_make_new_instance(mp_int_t id) {
    if (id < 0 || id >= I2S_COUNT) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("there is no I2S(%d), only 0 to %d"), (int)id, I2S_COUNT - 1);
    }
    machine_i2s_obj_t *self = MP_STATE_PORT(k210_i2s_objects)[id];
    if (self == NULL) {
        self = mp_obj_malloc(machine_i2s_obj_t, &machine_i2s_type);
        self->running = false;
        self->i2s_id = (uint8_t)id;
        MP_STATE_PORT(k210_i2s_objects)[id] = self;
    } else {
        stop(self);
    }
    return self;
}

static void mp_machine_i2s_deinit(machine_i2s_obj_t *self) {
    stop(self);
}

void machine_i2s_deinit_all(void) {
    for (unsigned i = 0; i < I2S_COUNT; i++) {
        if (MP_STATE_PORT(k210_i2s_objects)[i] != NULL) {
            stop(MP_STATE_PORT(k210_i2s_objects)[i]);
            MP_STATE_PORT(k210_i2s_objects)[i] = NULL;
        }
    }
}
