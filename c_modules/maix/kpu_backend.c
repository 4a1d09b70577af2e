#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"

#include "k210_flash.h"
#include "kmodel_chip.h"
#include "kpu_backend.h"

// No layer takes so long: 1,024 channels to as many, 3x3, on 256x256 would.
#define LAYER_LIMIT_US (5000000)
#define POLL_MS (1000)

static bool busy;

bool kpu_backend_busy(void) {
    return busy;
}

static bool wait(const volatile bool *done) {
    uint64_t limit = sysctl_get_time_us() + LAYER_LIMIT_US;
    for (;;) {
        mp_handle_pending(true);
        if (*done) {
            return true;
        }
        if (sysctl_get_time_us() > limit) {
            k210_raise_os_error(MP_ETIMEDOUT, "the KPU does not finish a layer");
        }
        mp_hal_wait_event(POLL_MS);
    }
}

static void start_clock(void) {
    static bool started;
    if (!started) {
        sysctl_pll_set_freq(SYSCTL_PLL1, MICROPY_HW_KPU_HZ);
        sysctl_clock_set_threshold(SYSCTL_THRESHOLD_AI, 0);
        started = true;
    }
}

static dmac_channel_number_t take_devices(void) {
    if (busy) {
        k210_raise_os_error(MP_EBUSY, "the KPU runs another model");
    }
    int channel = dmac_channel_alloc();
    if (channel < 0) {
        k210_raise_os_error(MP_EBUSY, "all DMA channels are taken");
    }
    busy = true;
    start_clock();
    return (dmac_channel_number_t)channel;
}

static void give_devices_back(const kmodel_chip_t *chip) {
    kmodel_chip_stop(chip);
    dmac_channel_free(chip->channel);
    busy = false;
}

bool kpu_backend_run(const kmodel_t *model, uint8_t *main_memory, const void *input, kmodel_error_t *error) {
    kmodel_chip_t chip = {take_devices(), wait};
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0) {
        give_devices_back(&chip);
        nlr_jump(nlr.ret_val);
    }
    bool ran = kmodel_chip_run(&chip, model, main_memory, input, error);
    nlr_pop();
    give_devices_back(&chip);
    return ran;
}
