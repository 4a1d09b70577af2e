#include <string.h>

#include "kmodel_chip.h"
#include "kpu.h"

// What DMA moves at a time from the KPU's output FIFO, and to its RAM.
#define UNIT (8)

static volatile bool done;

static int on_done(void *ctx) {
    (void)ctx;
    done = true;
    return 0;
}

static uint32_t bus_address(const uint8_t *bytes) {
    return (uint32_t)(uintptr_t)bytes;
}

// The layer's result as it stands in KPU RAM, for main memory that no transfer of whole units can begin at.
static void copy_result(const kpu_layer_argument_t *layer, uint8_t *output) {
    uint32_t width = layer->image_size.data.o_row_wid + 1, height = layer->image_size.data.o_col_high + 1;
    uint32_t channels = layer->image_channel_num.data.o_ch_num + 1, group = layer->write_back_cfg.data.wb_group;
    size_t row_size = (size_t)layer->write_back_cfg.data.wb_row_switch_addr * KPU_LINE;
    size_t channel_size = (size_t)layer->write_back_cfg.data.wb_channel_switch_addr * KPU_LINE;
    volatile uint8_t *image = KPU_RAM + (size_t)layer->image_addr.data.image_dst_addr * KPU_LINE;
    for (uint32_t channel = 0; channel < channels; channel++) {
        volatile uint8_t *row = image + channel / group * channel_size + channel % group * (KPU_LINE / group);
        for (uint32_t y = 0; y < height; y++, row += row_size) {
            for (uint32_t x = 0; x < width; x++) {
                *output++ = row[x];
            }
        }
    }
}

static bool convolve(void *context, const uint64_t words[KMODEL_LAYER_WORDS], bool eight_bit,
    const kmodel_parameters_t *parameters, uint8_t *output, uint32_t output_size) {
    const kmodel_chip_t *chip = context;
    (void)output_size;
    kpu_layer_argument_t layer;
    memcpy(&layer, words, sizeof(layer));
    layer.kernel_load_cfg.data.para_start_addr = bus_address(parameters->weights);
    layer.kernel_pool_type_cfg.data.bwsx_base_addr = bus_address(parameters->batchnorm);
    layer.kernel_calc_type_cfg.data.active_addr = bus_address(parameters->activation);
    done = false;
    kpu_init(eight_bit, on_done, NULL);
    bool by_dma = output && (uintptr_t)output % UNIT == 0;
    if (by_dma) {
        kpu_conv2d_output(&layer, chip->channel, output, on_done, NULL);
    } else {
        kpu_conv2d(&layer);
    }
    if (!chip->wait(&done)) {
        return false;
    }
    if (output && !by_dma) {
        copy_result(&layer, output);
    }
    return true;
}

// Rows without gaps go by DMA.
static bool upload(void *context, const uint8_t *image, const kmodel_shape_t *shape, uint32_t address) {
    const kmodel_chip_t *chip = context;
    size_t size = (size_t)shape->width * shape->height * shape->channels;
    if (shape->width % KPU_LINE || (uintptr_t)image % UNIT) {
        kpu_upload(address / KPU_LINE, image, shape->width, shape->height, shape->channels);
        return true;
    }
    done = false;
    dmac_irq_register(chip->channel, on_done, NULL, 1);
    dmac_set_single_mode(chip->channel, image, (void *)(KPU_RAM + address), DMAC_ADDR_INCREMENT, DMAC_ADDR_INCREMENT,
        DMAC_MSIZE_16, DMAC_TRANS_WIDTH_64, size / UNIT);
    return chip->wait(&done);
}

bool kmodel_chip_run(
    const kmodel_chip_t *chip, const kmodel_t *model, uint8_t *main_memory, const void *input, kmodel_error_t *error) {
    kmodel_kpu_t kpu = {
        .context = (void *)chip,
        .ram = (uint8_t *)AI_RAM_UNCACHED_BASE_ADDR,
        .upload = upload,
        .convolve = convolve,
    };
    kpu_reset();
    bool ended = kmodel_run(model, &kpu, main_memory, input, error);
    kmodel_chip_stop(chip);
    return ended;
}

void kmodel_chip_stop(const kmodel_chip_t *chip) {
    kpu_reset();
    dmac_channel_disable(chip->channel);
    dmac_irq_unregister(chip->channel);
}
