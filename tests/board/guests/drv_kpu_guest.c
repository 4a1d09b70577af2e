// The KPU's driver, and kernel models under the SDK's names. The layers here leave their input as it is (weights 1, one
// channel at a time). The test puts three models at 0x300000, 0x310000 and 0x320000 of the flash: each gives its input,
// 3 channels of 8 x 64, 8 x 24 or 5 x 70 bytes, back as floats; what is at 0x330000 is none.

#include <string.h>

#include "check.h"
#include "core1.h"
#include "iomem.h"
#include "kpu.h"
#include "kpu_kmodel.h"
#include "sysctl.h"
#include "trap.h"
#include "w25qxx.h"

#define CHANNELS (3)
#define HEIGHT (8)
#define MOST (CHANNELS * 8 * 70)
#define MODEL_SIZE (4096)

typedef struct {
    uint64_t batchnorm[CHANNELS];
    uint64_t activation[18];
    uint8_t weights[8];
} parameters_t;

static parameters_t parameters __attribute__((section(".iomem"), aligned(256)));
static uint8_t image[MOST + 8] IOMEM, result[MOST + 8] IOMEM;
static uint8_t model[MODEL_SIZE] __attribute__((section(".iomem"), aligned(256)));
static uint8_t cached[MOST + 8];
static volatile bool finished;
static volatile unsigned calls;

static int on_done(void *ctx) {
    calls += (unsigned)(uintptr_t)ctx;
    finished = true;
    return 0;
}

static void on_model_done(void *userdata) {
    *(unsigned *)userdata += 1;
}

static uint32_t group_of(uint32_t width) {
    return width <= 16 ? 4 : width <= 32 ? 2 : 1;
}

static kpu_layer_argument_t copy_layer(uint32_t width, uint32_t line, uint32_t out_line) {
    uint32_t lines = (width + KPU_LINE - 1) / KPU_LINE, group = group_of(width);
    kpu_layer_argument_t layer;
    memset(&layer, 0, sizeof(layer));
    layer.interrupt_enabe.data.depth_wise_layer = 1;
    layer.image_addr.data.image_src_addr = line;
    layer.image_addr.data.image_dst_addr = out_line;
    layer.image_channel_num.data.i_ch_num = layer.image_channel_num.data.o_ch_num = CHANNELS - 1;
    layer.image_channel_num.data.o_ch_num_coef = CHANNELS - 1;
    layer.image_size.data.i_row_wid = layer.image_size.data.o_row_wid = width - 1;
    layer.image_size.data.i_col_high = layer.image_size.data.o_col_high = HEIGHT - 1;
    layer.kernel_pool_type_cfg.data.load_para = 1;
    layer.kernel_pool_type_cfg.data.dma_burst_size = 15;
    layer.kernel_pool_type_cfg.data.bwsx_base_addr = (uint32_t)(uintptr_t)parameters.batchnorm;
    layer.kernel_load_cfg.data.load_coor = 1;
    layer.kernel_load_cfg.data.para_size = CHANNELS;
    layer.kernel_load_cfg.data.para_start_addr = (uint32_t)(uintptr_t)parameters.weights;
    layer.kernel_calc_type_cfg.data.channel_switch_addr = lines * HEIGHT;
    layer.kernel_calc_type_cfg.data.row_switch_addr = lines;
    layer.kernel_calc_type_cfg.data.coef_group = group;
    layer.kernel_calc_type_cfg.data.load_act = 1;
    layer.kernel_calc_type_cfg.data.active_addr = (uint32_t)(uintptr_t)parameters.activation;
    layer.write_back_cfg.data.wb_channel_switch_addr = lines * HEIGHT;
    layer.write_back_cfg.data.wb_row_switch_addr = lines;
    layer.write_back_cfg.data.wb_group = group;
    layer.dma_parameter.data.channel_byte_num = width * HEIGHT - 1;
    layer.dma_parameter.data.dma_total_byte = CHANNELS * width * HEIGHT - 1;
    return layer;
}

static void fill(uint8_t *bytes, uint32_t size, unsigned seed) {
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 251 + seed);
    }
}

static unsigned equal(const volatile uint8_t *a, const volatile uint8_t *b, uint32_t size) {
    unsigned same = 0;
    for (uint32_t i = 0; i < size; i++) {
        same += a[i] == b[i];
    }
    return same;
}

static void begin(void) {
    finished = false;
    memset(result, 0xaa, sizeof(result));
}

static void wait_for(const char *name) {
    check(name, bsp_wait(&finished, 100000), true);
}

static void make_parameters(void) {
    for (unsigned i = 0; i < CHANNELS; i++) {
        parameters.weights[i] = 1;
        parameters.batchnorm[i] = 1;
    }
    for (unsigned i = 0; i < 16; i++) {
        parameters.activation[i] = 1 << 8;
    }
    parameters.activation[16] = parameters.activation[17] = 0;
}

// Where a byte of an image stands in KPU RAM.
static volatile uint8_t *in_ram(uint32_t line, uint32_t width, uint32_t channel, uint32_t y, uint32_t x) {
    uint32_t lines = (width + KPU_LINE - 1) / KPU_LINE, group = group_of(width);
    return KPU_RAM + (line + channel / group * lines * HEIGHT + y * lines) * KPU_LINE
        + channel % group * (KPU_LINE / group) + x;
}

static void test_upload(uint32_t width) {
    kpu_layer_argument_t layer = copy_layer(width, 0x100, 0x4000);
    unsigned right = 0;
    fill(cached, CHANNELS * HEIGHT * width, width);
    kpu_input_with_padding(&layer, cached, (int)width, HEIGHT, CHANNELS);
    for (uint32_t i = 0; i < CHANNELS * HEIGHT * width; i++) {
        right += *in_ram(0x100, width, i / width / HEIGHT, i / width % HEIGHT, i % width) == cached[i];
    }
    check("every byte in its place", right, CHANNELS * HEIGHT * width);
}

static void test_one_layer(uint32_t width) {
    uint32_t size = CHANNELS * HEIGHT * width;
    kpu_layer_argument_t layer = copy_layer(width, 0, 0x4000);
    fill(image, size, width + 1);
    kpu_input_with_padding(&layer, image, (int)width, HEIGHT, CHANNELS);
    begin();
    calls = 0;
    kpu_init(1, on_done, (void *)1);
    kpu_conv2d(&layer);
    wait_for("a layer ends");
    check("  with one call", calls, 1);
    check("  and is right at its end", *in_ram(0x4000, width, 2, HEIGHT - 1, width - 1), image[size - 1]);
    begin();
    layer = copy_layer(width, 0, 0x4000);
    kpu_conv2d_output(&layer, DMAC_CHANNEL3, result, on_done, (void *)100);
    wait_for("its output comes by DMA");
    check("  with a call of its own", calls, 101);
    check("  all of it", equal(result, image, size), size);
    check("  and no more than whole units", result[(size + 7) / 8 * 8], 0xaa);
    begin();
    memset(cached, 0, sizeof(cached));
    layer = copy_layer(width, 0, 0x4000);
    kpu_conv2d_output(&layer, DMAC_CHANNEL3, cached, on_done, NULL);
    wait_for("or to a cached address");
    check("  all of it", equal(cached, image, size), size);
}

static void test_input_by_dma(void) {
    uint32_t size = CHANNELS * HEIGHT * 64;
    kpu_layer_argument_t layer = copy_layer(64, 0x200, 0x4000);
    fill(image, size, 9);
    begin();
    kpu_input_dma(&layer, image, DMAC_CHANNEL2, on_done, NULL);
    wait_for("an image goes in by DMA");
    check("  all of it", equal(KPU_RAM + 0x200 * KPU_LINE, image, size), size);
}

// More layers than the FIFO holds, each from where the one before left its output.
#define LAYERS (40)

static void test_task(void) {
    static kpu_layer_argument_t layers[LAYERS];
    uint32_t size = CHANNELS * HEIGHT * 64;
    for (uint32_t i = 0; i < LAYERS; i++) {
        layers[i] = copy_layer(64, i % 2 * 0x1000, (i + 1) % 2 * 0x1000);
    }
    kpu_task_t task = {layers, LAYERS, 1, (void *)7}, none = {layers, 0, 1, NULL};
    fill(image, size, 77);
    begin();
    calls = 0;
    check("a task without layers", (uint64_t)kpu_run(&none, DMAC_CHANNEL1, image, result, on_done), (uint64_t)-1);
    // The answers are looked at later: printing takes longer than the task.
    int first = kpu_run(&task, DMAC_CHANNEL1, image, result, on_done);
    int second = kpu_run(&task, DMAC_CHANNEL1, image, result, on_done);
    wait_for("forty layers end");
    check("a task had begun", (uint64_t)first, 0);
    check("and no second one meanwhile", (uint64_t)second, (uint64_t)-1);
    check("  with one call", calls, 7);
    check("  the image unchanged", equal(result, image, size), size);
    begin();
    kpu_run(&task, DMAC_CHANNEL1, image, result, on_done);
    kpu_reset();
    dmac_channel_disable(DMAC_CHANNEL1);
    check("a reset stops it", bsp_wait(&finished, 10000), false);
    check("and another may begin", (uint64_t)kpu_run(&task, DMAC_CHANNEL1, image, result, on_done), 0);
    wait_for("which ends");
    check("  right", equal(result, image, size), size);
}

static volatile unsigned counted;

static int count(void *ctx) {
    while (!*(volatile bool *)ctx) {
        counted = counted + 1;
    }
    return 0;
}

static void test_model(uint32_t offset, uint32_t width, uint32_t height) {
    kpu_model_context_t context;
    uint32_t size = CHANNELS * width * height;
    uint8_t *data;
    size_t bytes;
    unsigned ends = 0, right = 0;
    static volatile bool stop;
    stop = false;
    counted = 0;
    check("a model is read", w25qxx_read_data(offset, model, MODEL_SIZE), W25QXX_OK);
    check("and loaded", (uint64_t)kpu_load_kmodel(&context, model), 0);
    check("its input is as wide", context.model.input.width, width);
    check("and as high", context.model.input.height, height);
    fill(image, size, width * 3);
    core1_start(count, (void *)&stop);
    for (unsigned i = 0; i < 20; i++) {
        check("it runs", (uint64_t)kpu_run_kmodel(&context, image, DMAC_CHANNEL4, on_model_done, &ends), 0);
    }
    stop = true;
    check_range("hart 1 has worked meanwhile", counted, 100, 100000000);
    core1_wait(1000000, NULL);
    check("the callback came each time", ends, 20);
    check("there is an output", (uint64_t)kpu_get_output(&context, 0, &data, &bytes), 0);
    check("of floats", bytes, size * sizeof(float));
    for (uint32_t i = 0; i < size; i++) {
        right += ((const float *)data)[i] == (float)image[i];
    }
    check("which are the input", right, size);
    check("there is no second output", (uint64_t)kpu_get_output(&context, 1, &data, &bytes), (uint64_t)-1);
    kpu_model_free(&context);
    check("its memory is free again", iomem_unused(), IOMEM_POOL_SIZE);
    check("and it runs no more", (uint64_t)kpu_run_kmodel(&context, image, DMAC_CHANNEL4, NULL, NULL), (uint64_t)-1);
}

static void test_no_model(void) {
    kpu_model_context_t context;
    w25qxx_read_data(0x330000, model, MODEL_SIZE);
    check("what is no model is refused", (uint64_t)kpu_load_kmodel(&context, model), (uint64_t)-1);
    check("with the reason", context.error.status, KMODEL_NOT_A_KMODEL);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    plic_init();
    sysctl_enable_irq();
    dmac_init();
    sysctl_pll_set_freq(SYSCTL_PLL1, 400000000);
    make_parameters();
    kpu_reset();
    static const uint32_t widths[] = {5, 16, 24, 32, 64, 70};
    for (unsigned i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        test_upload(widths[i]);
        test_one_layer(widths[i]);
    }
    test_input_by_dma();
    test_task();
    check("the flash answers", w25qxx_init(3, 0, W25QXX_RATE), W25QXX_OK);
    test_model(0x300000, 64, 8);
    test_model(0x310000, 24, 8);
    test_model(0x320000, 70, 5);
    test_no_model();
    checks_done();
}
