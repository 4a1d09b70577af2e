#include "chip.h"
#include "dmac.h"
#include "iomem.h"
#include "spi.h"
#include "spi3.h"
#include "sysctl.h"
#include "w25qxx.h"

#define PORT ((volatile spi_t *)SPI3_BASE_ADDR)
#define CHANNEL (0)

// Fields of SPI3's ctrlr0; they lie elsewhere than those of SPI0.
#define CTRLR0_BITS(n) ((uint32_t)(n) - 1)
#define CTRLR0_TRANSFER(mode) ((uint32_t)(mode) << 10)
#define CTRLR0_LINES(format) ((uint32_t)(format) << 22)

// See spi.c: the FIFO is never filled to the last place.
#define HANDFUL (SPI_FIFO_DEPTH - 1)

#define READ_PIECE (16384)
#define PAGE_WORDS (PAGE / 4)
#define SLOWER (4)

// Longer than any transfer here takes at the slow rate on one line.
#define LIMIT_US (100000)

// iomem.h says why this is coherent with what DMA stores.
static uint32_t received[READ_PIECE / sizeof(uint32_t)] IOMEM;

static uint32_t divider;

static bool poll(const volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    if ((*reg & mask) != value) {
        uint64_t limit = sysctl_get_time_us() + LIMIT_US;
        while ((*reg & mask) != value) {
            if (sysctl_get_time_us() > limit) {
                return false;
            }
        }
    }
    return true;
}

static void begin(uint32_t bits, uint32_t mode, uint32_t lines, uint32_t spi_ctrlr0, uint32_t in) {
    PORT->ssienr = 0;
    PORT->baudr = divider;
    PORT->ctrlr0 = CTRLR0_BITS(bits) | CTRLR0_TRANSFER(mode) | CTRLR0_LINES(lines);
    PORT->spi_ctrlr0 = spi_ctrlr0;
    PORT->ctrlr1 = in - 1;
    PORT->ssienr = 1;
}

static void end(void) {
    PORT->ser = 0;
    PORT->ssienr = 0;
    PORT->dmacr = 0;
}

static void wait_sent(void) {
    poll(&PORT->sr, SPI_SR_BUSY | SPI_SR_TX_EMPTY, SPI_SR_TX_EMPTY);
}

void spi3_command(const uint8_t *command, uint32_t length, uint8_t *answer, uint32_t answer_length) {
    begin(8, answer_length ? SPI_TMOD_EEROM : SPI_TMOD_TRANS, SPI_FF_STANDARD, 0, answer_length);
    while (length--) {
        PORT->dr[0] = *command++;
    }
    PORT->ser = 1;
    for (; answer_length; answer_length--) {
        bool came = poll(&PORT->sr, SPI_SR_RX_NOT_EMPTY, SPI_SR_RX_NOT_EMPTY);
        *answer++ = came ? (uint8_t)PORT->dr[0] : 0xff;
    }
    wait_sent();
    end();
}

static void start_dma(uint32_t words) {
    volatile dmac_channel_t *channel = &dmac->channel[CHANNEL];
    channel->sar[0] = (uint32_t)(uintptr_t)&PORT->dr[0];
    channel->sar[1] = 0;
    channel->dar[0] = (uint32_t)(uintptr_t)received;
    channel->dar[1] = 0;
    channel->ctl[0] = DMAC_CTL_SMS(DMAC_MASTER1) | DMAC_CTL_DMS(DMAC_MASTER2) | DMAC_CTL_SINC(DMAC_ADDR_NOCHANGE)
        | DMAC_CTL_DINC(DMAC_ADDR_INCREMENT) | DMAC_CTL_SRC_TR_WIDTH(DMAC_TRANS_WIDTH_32)
        | DMAC_CTL_DST_TR_WIDTH(DMAC_TRANS_WIDTH_32) | DMAC_CTL_SRC_MSIZE(DMAC_MSIZE_1)
        | DMAC_CTL_DST_MSIZE(DMAC_MSIZE_1);
    channel->ctl[1] = 0;
    channel->cfg[0] = 0;
    channel->cfg[1] = DMAC_CFG_TT_FC(DMAC_PRF2MEM_DMA) | DMAC_CFG_HS_SEL_SRC(DMAC_HS_HARDWARE)
        | DMAC_CFG_HS_SEL_DST(DMAC_HS_SOFTWARE) | DMAC_CFG_SRC_PER(CHANNEL);
    channel->block_ts[0] = words - 1;
    channel->intstatus_en[0] = DMAC_INT_TRANSFER_DONE | DMAC_INT_ERRORS;
    channel->intclear[0] = DMAC_INT_ALL;
    dmac->chen[0] = DMAC_CHEN_EN(CHANNEL) | DMAC_CHEN_EN_WE(CHANNEL);
}

static bool finish_dma(void) {
    bool done = poll(&dmac->channel[CHANNEL].intstatus[0], DMAC_INT_TRANSFER_DONE, DMAC_INT_TRANSFER_DONE);
    if (!done) {
        dmac->chen[0] = DMAC_CHEN_EN_WE(CHANNEL);
        dmac->chen[1] = DMAC_CHEN_ABORT(CHANNEL) | DMAC_CHEN_ABORT_WE(CHANNEL);
        poll(&dmac->chen[0], DMAC_CHEN_EN(CHANNEL), 0);
    }
    __sync_synchronize(); // what it stored is not looked at before
    return done;
}

// The first byte on the wire is a word's highest.
static void copy_turned(uint8_t *to, uint32_t words) {
    uint32_t *out = (uint32_t *)to;
    for (uint32_t i = 0; i < words; i++) {
        uint32_t v = received[i];
        v = (v & 0x00ff00ff) << 8 | (v >> 8 & 0x00ff00ff);
        out[i] = v << 16 | v >> 16;
    }
}

static bool read_piece(uint32_t address, uint8_t *to, uint32_t words, bool quad) {
    if (quad) {
        // The address is followed by eight mode bits; zeros leave no continuous mode.
        begin(32, SPI_TMOD_RECV, SPI_FF_QUAD,
            SPI_CTRLR0_WAIT_CYCLES(4) | SPI_CTRLR0_INST_L(2) | SPI_CTRLR0_ADDR_L(8)
                | SPI_CTRLR0_TRANS_TYPE(SPI_AITM_ADDR_STANDARD),
            words);
        PORT->dr[0] = FAST_READ_QUAL_IO;
        PORT->dr[0] = address << 8;
    } else {
        begin(32, SPI_TMOD_EEROM, SPI_FF_STANDARD, 0, words);
        PORT->dr[0] = (uint32_t)READ_DATA << 24 | address;
    }
    start_dma(words);
    PORT->dmacr = SPI_DMACR_RX;
    PORT->ser = 1;
    bool done = finish_dma();
    end();
    copy_turned(to, words);
    return done;
}

bool spi3_read(uint32_t address, uint8_t *to, uint32_t length, bool quad) {
    bool good = true;
    while (length && good) {
        uint32_t piece = length < READ_PIECE ? length : READ_PIECE;
        good = read_piece(address, to, (piece + 3) / 4, quad);
        address += piece;
        to += piece;
        length -= piece;
    }
    return good;
}

void spi3_program(uint32_t address, const uint8_t *page) {
    const uint32_t *words = (const uint32_t *)page;
    begin(32, SPI_TMOD_TRANS, SPI_FF_STANDARD, 0, 1);
    PORT->dr[0] = (uint32_t)PAGE_PROGRAM << 24 | address;
    for (uint32_t i = 0; i < PAGE_WORDS; i++) {
        if (i >= HANDFUL - 1) {
            PORT->ser = 1;
            poll(&PORT->sr, SPI_SR_TX_NOT_FULL, SPI_SR_TX_NOT_FULL);
        }
        PORT->dr[0] = __builtin_bswap32(words[i]);
    }
    wait_sent();
    end();
}

void spi3_set_slow(bool slow) {
    uint32_t rate = W25QXX_RATE / (slow ? SLOWER : 1);
    divider = ((sysctl_clock_get_freq(SYSCTL_CLOCK_SPI3) + rate - 1) / rate + 1) & ~1u; // it is even
    if (divider < 2) {
        divider = 2;
    }
}

void spi3_init(void) {
    iomem_displace_cache(); // what the ROM wrote may still lie over `received`
    sysctl->peri &= ~SYSCTL_PERI_SPI3_XIP;
    sysctl_clock_set_clock_select(SYSCTL_CLOCK_SELECT_SPI3, 1);
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_SPI3, 0);
    sysctl_clock_enable(SYSCTL_CLOCK_SPI3);
    end();
    PORT->imr = 0;
    PORT->dmatdlr = SPI_FIFO_DEPTH / 2;
    PORT->dmardlr = 0;
    PORT->endian = 0;
    sysctl_clock_enable(SYSCTL_CLOCK_DMA);
    dmac->reset[0] = DMAC_RESET_RST;
    poll(&dmac->reset[0], DMAC_RESET_RST, 0);
    dmac->cfg[0] = DMAC_CFG_ENABLE;
    sysctl_dma_select(SYSCTL_DMA_CHANNEL_0 + CHANNEL, SYSCTL_DMA_SELECT_SSI3_RX_REQ);
    spi3_set_slow(false);
}
