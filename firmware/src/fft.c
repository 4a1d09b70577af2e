#include "atomic.h"
#include "fft.h"
#include "sysctl.h"

// 512 points take nine layers of 256 butterflies and two transfers: some 20 us.
#define LIMIT_US (100000)
// Looks at the lock while another caller uses the block.
#define MAX_TRIES (1000000)

static spinlock_t engine = SPINLOCK_INIT;

static int point_code(size_t point_num) {
    switch (point_num) {
        case 512:
            return FFT_512;
        case 256:
            return FFT_256;
        case 128:
            return FFT_128;
        case 64:
            return FFT_64;
        default:
            return -1;
    }
}

static void start(fft_point_t point, uint16_t shift, fft_direction_t direction) {
    sysctl_clock_enable(SYSCTL_CLOCK_FFT);
    sysctl_reset(SYSCTL_RESET_FFT);
    fft->ctrl = FFT_CTRL_POINT(point) | FFT_CTRL_DIRECTION(direction) | FFT_CTRL_SHIFT(shift) | FFT_CTRL_DMA
        | FFT_CTRL_INPUT_MODE(0) | FFT_CTRL_ENABLE;
}

static bool transfer(dmac_channel_number_t send, dmac_channel_number_t receive, const uint64_t *input, size_t point_num,
    uint64_t *output) {
    sysctl_dma_select((sysctl_dma_channel_t)receive, SYSCTL_DMA_SELECT_FFT_RX_REQ);
    sysctl_dma_select((sysctl_dma_channel_t)send, SYSCTL_DMA_SELECT_FFT_TX_REQ);
    dmac_set_single_mode(receive, (void *)&fft->output_fifo, output, DMAC_ADDR_NOCHANGE, DMAC_ADDR_INCREMENT,
        DMAC_MSIZE_4, DMAC_TRANS_WIDTH_64, point_num / 2);
    dmac_set_single_mode(send, input, (void *)&fft->input_fifo, DMAC_ADDR_INCREMENT, DMAC_ADDR_NOCHANGE, DMAC_MSIZE_4,
        DMAC_TRANS_WIDTH_64, point_num / 2);
    bool sent = dmac_wait_done_timeout(send, LIMIT_US);
    if (!sent) {
        dmac_channel_disable(receive);
    }
    return sent && dmac_wait_done_timeout(receive, LIMIT_US);
}

bool fft_complex(dmac_channel_number_t send, dmac_channel_number_t receive, uint16_t shift, fft_direction_t direction,
    const uint64_t *input, size_t point_num, uint64_t *output) {
    int point = point_code(point_num);
    if (point < 0) {
        return false;
    }
    for (unsigned i = 0; spinlock_trylock(&engine); i++) {
        if (i == MAX_TRIES) {
            return false;
        }
    }
    start((fft_point_t)point, shift, direction);
    bool done = transfer(send, receive, input, point_num, output);
    fft->ctrl = 0;
    sysctl_clock_disable(SYSCTL_CLOCK_FFT);
    spinlock_unlock(&engine);
    return done;
}

void fft_complex_uint16_dma(dmac_channel_number_t dma_send_channel_num, dmac_channel_number_t dma_receive_channel_num,
    uint16_t shift, fft_direction_t direction, const uint64_t *input, size_t point_num, uint64_t *output) {
    (void)fft_complex(dma_send_channel_num, dma_receive_channel_num, shift, direction, input, point_num, output);
}
