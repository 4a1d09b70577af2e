#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"

#include "dmac.h"
#include "k210_flash.h"
#include "kpu.h"
#include "kpu_backend.h"

// No layer takes a second: 1,024 channels to as many, 3x3, on 256x256 would.
#define LAYER_LIMIT_US (5000000)
#define POLL_MS (1000)

static struct {
    bool busy;
    dmac_channel_number_t channel;
    volatile bool done;
} backend;

bool kpu_backend_busy(void) {
    return backend.busy;
}

static int on_done(void *ctx) {
    (void)ctx;
    backend.done = true;
    return 0;
}

static void wait_done(void) {
    uint64_t limit = sysctl_get_time_us() + LAYER_LIMIT_US;
    for (;;) {
        mp_handle_pending(true);
        if (backend.done) {
            return;
        }
        if (sysctl_get_time_us() > limit) {
            k210_raise_os_error(MP_ETIMEDOUT, "the KPU does not finish a layer");
        }
        mp_hal_wait_event(POLL_MS);
    }
}

static uint32_t bus_address(const uint8_t *bytes) {
    return (uint32_t)(uintptr_t)bytes;
}

static bool convolve(void *context, const uint64_t words[KMODEL_LAYER_WORDS], bool eight_bit,
    const kmodel_parameters_t *parameters, uint8_t *output, uint32_t output_size) {
    (void)context;
    (void)output_size;
    kpu_layer_argument_t layer;
    memcpy(&layer, words, sizeof(layer));
    layer.kernel_load_cfg.data.para_start_addr = bus_address(parameters->weights);
    layer.kernel_pool_type_cfg.data.bwsx_base_addr = bus_address(parameters->batchnorm);
    layer.kernel_calc_type_cfg.data.active_addr = bus_address(parameters->activation);
    backend.done = false;
    kpu_init(eight_bit, on_done, NULL);
    if (output) {
        kpu_conv2d_output(&layer, backend.channel, output, on_done, NULL);
    } else {
        layer.dma_parameter.data.send_data_out = 0;
        kpu_conv2d(&layer);
    }
    wait_done();
    return true;
}

// Rows without gaps go by DMA.
static bool upload(void *context, const uint8_t *image, const kmodel_shape_t *shape, uint32_t address) {
    (void)context;
    size_t size = (size_t)shape->width * shape->height * shape->channels;
    if (shape->width % KPU_LINE || (uintptr_t)image % 8) {
        kpu_upload(address / KPU_LINE, image, shape->width, shape->height, shape->channels);
        return true;
    }
    backend.done = false;
    dmac_irq_register(backend.channel, on_done, NULL, 1);
    dmac_set_single_mode(backend.channel, image, (void *)(KPU_RAM + address), DMAC_ADDR_INCREMENT, DMAC_ADDR_INCREMENT,
        DMAC_MSIZE_16, DMAC_TRANS_WIDTH_64, size / 8);
    wait_done();
    return true;
}

static void start_clock(void) {
    static bool started;
    if (!started) {
        sysctl_pll_set_freq(SYSCTL_PLL1, MICROPY_HW_KPU_HZ);
        sysctl_clock_set_threshold(SYSCTL_THRESHOLD_AI, 0);
        started = true;
    }
}

static void take_devices(void) {
    if (backend.busy) {
        k210_raise_os_error(MP_EBUSY, "the KPU runs another model");
    }
    int channel = dmac_channel_alloc();
    if (channel < 0) {
        k210_raise_os_error(MP_EBUSY, "all DMA channels are taken");
    }
    backend.channel = (dmac_channel_number_t)channel;
    backend.busy = true;
    start_clock();
    kpu_reset();
}

static void give_devices_back(void) {
    kpu_reset();
    dmac_channel_free(backend.channel);
    backend.busy = false;
}

void kpu_backend_run(const kmodel_t *model, uint8_t *main_memory, const void *input) {
    static const kmodel_kpu_t chip = {
        .ram = (uint8_t *)AI_RAM_UNCACHED_BASE_ADDR,
        .upload = upload,
        .convolve = convolve,
    };
    kmodel_error_t error;
    take_devices();
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0) {
        give_devices_back();
        nlr_jump(nlr.ret_val);
    }
    kmodel_run(model, &chip, main_memory, input, &error);
    nlr_pop();
    give_devices_back();
}
