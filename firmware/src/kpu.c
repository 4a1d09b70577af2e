#include <string.h>

#include "bsp.h"
#include "kpu.h"
#include "sysctl.h"

static struct {
    plic_irq_callback_t callback;
    void *ctx;
} done;

// What kpu_run() is at.
static struct {
    kpu_task_t *task;
    uint32_t next; // layer to be given to the FIFO
    dmac_channel_number_t channel;
    uint8_t *dest;
    plic_irq_callback_t callback;
    volatile int busy;
} run;

static int on_interrupt(void *ctx) {
    (void)ctx;
    kpu->interrupt_clear = KPU_INT_ALL;
    if (done.callback) {
        done.callback(done.ctx);
    }
    return 0;
}

static void allow_interrupts(uint64_t which) {
    kpu->interrupt_clear = KPU_INT_ALL;
    kpu->interrupt_mask = KPU_INT_ALL & ~which;
}

static void listen(plic_irq_callback_t callback, void *ctx) {
    uint64_t state = bsp_irq_save();
    done.callback = callback;
    done.ctx = ctx;
    bsp_irq_restore(state);
    plic_irq_register(IRQN_AI_INTERRUPT, on_interrupt, NULL);
    plic_set_priority(IRQN_AI_INTERRUPT, 1);
    plic_irq_enable(IRQN_AI_INTERRUPT);
}

void kpu_reset(void) {
    uint64_t state = bsp_irq_save();
    sysctl_clock_enable(SYSCTL_CLOCK_AI);
    sysctl_reset(SYSCTL_RESET_AI);
    allow_interrupts(0);
    done.callback = NULL;
    run.busy = 0;
    bsp_irq_restore(state);
}

void kpu_init(int eight_bit_mode, plic_irq_callback_t callback, void *userdata) {
    sysctl_clock_enable(SYSCTL_CLOCK_AI);
    kpu->fifo_threshold = KPU_FIFO_FULL_THRESHOLD(KPU_FIFO_LAYERS - 1) | KPU_FIFO_EMPTY_THRESHOLD(1);
    kpu->eight_bit_mode = eight_bit_mode & 1;
    allow_interrupts(0);
    listen(callback, userdata);
}

static void send_layer(const kpu_layer_argument_t *layer) {
    const uint64_t *words = (const uint64_t *)layer;
    __sync_synchronize(); // parameters and image are in memory before the KPU looks
    for (unsigned i = 0; i < KPU_LAYER_WORDS; i++) {
        kpu->layer_argument_fifo = words[i];
    }
}

void kpu_conv2d(kpu_layer_argument_t *layer) {
    layer->interrupt_enabe.data.int_en = 1;
    allow_interrupts(KPU_INT_CALC_DONE);
    send_layer(layer);
}

static void receive_output(const kpu_layer_argument_t *layer, dmac_channel_number_t dma_ch, uint8_t *dest,
    plic_irq_callback_t callback, void *userdata) {
    size_t items = ((size_t)layer->dma_parameter.data.dma_total_byte + 8) / 8;
    sysctl_dma_select((sysctl_dma_channel_t)dma_ch, SYSCTL_DMA_SELECT_AI_RX_REQ);
    dmac_irq_register(dma_ch, callback, userdata, 1);
    dmac_set_single_mode(dma_ch, (const void *)&kpu->fifo_data_out, dest, DMAC_ADDR_NOCHANGE, DMAC_ADDR_INCREMENT,
        DMAC_MSIZE_8, DMAC_TRANS_WIDTH_64, items);
}

void kpu_conv2d_output(kpu_layer_argument_t *layer, dmac_channel_number_t dma_ch, uint8_t *dest,
    plic_irq_callback_t callback, void *userdata) {
    layer->dma_parameter.data.send_data_out = 1;
    allow_interrupts(0);
    receive_output(layer, dma_ch, dest, callback, userdata);
    send_layer(layer);
}

static volatile uint8_t *source_image(const kpu_layer_argument_t *layer) {
    return KPU_RAM + (size_t)layer->image_addr.data.image_src_addr * KPU_LINE;
}

void kpu_input_dma(const kpu_layer_argument_t *layer, const uint8_t *src, dmac_channel_number_t dma_ch,
    plic_irq_callback_t callback, void *userdata) {
    size_t channel_size = (size_t)layer->kernel_calc_type_cfg.data.channel_switch_addr * KPU_LINE;
    size_t size = channel_size * (layer->image_channel_num.data.i_ch_num + 1);
    dmac_irq_register(dma_ch, callback, userdata, 1);
    dmac_set_single_mode(dma_ch, src, (void *)source_image(layer), DMAC_ADDR_INCREMENT, DMAC_ADDR_INCREMENT,
        DMAC_MSIZE_16, DMAC_TRANS_WIDTH_64, size / 8);
}

// A row in units of eight bytes: KPU RAM is not cached, so every store goes over the bus. What is behind a row's last
// byte in its last unit belongs to no image.
static void upload_row(volatile uint64_t *dest, const uint8_t *src, uint32_t width) {
    uint32_t whole = width / 8;
    if ((uintptr_t)src % 8 == 0) {
        const uint64_t *units = (const uint64_t *)src;
        for (uint32_t i = 0; i < whole; i++) {
            dest[i] = units[i];
        }
    } else {
        for (uint32_t i = 0; i < whole; i++) {
            uint64_t unit;
            memcpy(&unit, src + i * 8, 8);
            dest[i] = unit;
        }
    }
    if (width % 8) {
        uint64_t unit = 0;
        memcpy(&unit, src + whole * 8, width % 8);
        dest[whole] = unit;
    }
}

void kpu_upload(uint32_t line, const uint8_t *src, uint32_t width, uint32_t height, uint32_t channels) {
    uint32_t group = width <= 16 ? 4 : width <= 32 ? 2 : 1;
    size_t row_size = (width + KPU_LINE - 1) / KPU_LINE * (size_t)KPU_LINE;
    volatile uint8_t *image = KPU_RAM + (size_t)line * KPU_LINE;
    for (uint32_t channel = 0; channel < channels; channel++) {
        volatile uint8_t *dest = image + channel / group * height * row_size + channel % group * (KPU_LINE / group);
        for (uint32_t y = 0; y < height; y++, src += width, dest += row_size) {
            upload_row((volatile uint64_t *)dest, src, width);
        }
    }
}

void kpu_input_with_padding(kpu_layer_argument_t *layer, const uint8_t *src, int width, int height, int channels) {
    kpu_upload(layer->image_addr.data.image_src_addr, src, (uint32_t)width, (uint32_t)height, (uint32_t)channels);
}

// ---- A whole net

static int on_output(void *ctx) {
    (void)ctx;
    allow_interrupts(0);
    run.busy = 0;
    return run.callback ? run.callback(run.task->ctx) : 0;
}

// Fills the FIFO. It takes layers while others run; "almost empty" asks for more.
static int give_layers(void *ctx) {
    (void)ctx;
    kpu_task_t *task = run.task;
    uint32_t left = task->layers_length - run.next;
    for (uint32_t i = 0; i < left && i < KPU_FIFO_LAYERS - 2; i++) {
        send_layer(&task->layers[run.next++]);
    }
    kpu->interrupt_mask = run.next < task->layers_length ? KPU_INT_ALL & ~KPU_INT_LAYER_CFG_ALMOST_EMPTY : KPU_INT_ALL;
    return 0;
}

static int on_input(void *ctx) {
    (void)ctx;
    kpu_layer_argument_t *last = &run.task->layers[run.task->layers_length - 1];
    last->dma_parameter.data.send_data_out = 1;
    receive_output(last, run.channel, run.dest, on_output, NULL);
    return give_layers(NULL);
}

int kpu_run(kpu_task_t *task, dmac_channel_number_t dma_ch, const void *src, void *dest, plic_irq_callback_t callback) {
    if (task->layers_length == 0 || __sync_lock_test_and_set(&run.busy, 1)) {
        return -1;
    }
    run.task = task;
    run.next = 0;
    run.channel = dma_ch;
    run.dest = dest;
    run.callback = callback;
    kpu_init((int)task->eight_bit_mode, give_layers, NULL);
    kpu_input_dma(&task->layers[0], src, dma_ch, on_input, NULL);
    return 0;
}
