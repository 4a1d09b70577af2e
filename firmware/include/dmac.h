// DMAC: six channels that move data between memory and peripherals.
// Registers: Kendryte standalone SDK, dmac.h (a Synopsys DesignWare AXI DMA controller); interrupt bits
// above 12: Linux, drivers/dma/dw-axi-dmac/dw-axi-dmac.h. The registers are 64 bits wide and are
// accessed as two words, as Linux does.
//
// Memory and caches. SRAM is cached at 0x80000000 and not cached at 0x40000000, no instruction writes
// back or discards a cache line, and the SDK (dmac.c, FIX_CACHE) lets the controller see uncached
// addresses only. So does this driver: buffers at cached addresses are copied through memory of
// iomem.h, in pieces when they are long; buffers at uncached addresses (iomem_malloc(), IOMEM) and in AI
// RAM at 0x40600000 are used in place, which is faster.
#ifndef K210_DMAC_H
#define K210_DMAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform.h"
#include "plic.h"

typedef enum _dmac_channel_number {
    DMAC_CHANNEL0 = 0,
    DMAC_CHANNEL1 = 1,
    DMAC_CHANNEL2 = 2,
    DMAC_CHANNEL3 = 3,
    DMAC_CHANNEL4 = 4,
    DMAC_CHANNEL5 = 5,
    DMAC_CHANNEL_MAX
} dmac_channel_number_t;

#define DMAC_CHANNEL_COUNT (DMAC_CHANNEL_MAX)

typedef struct {
    uint32_t sar[2]; // 0x00
    uint32_t dar[2]; // 0x08
    uint32_t block_ts[2]; // 0x10
    uint32_t ctl[2]; // 0x18
    uint32_t cfg[2]; // 0x20
    uint32_t llp[2]; // 0x28
    uint32_t status[2]; // 0x30
    uint32_t swhssrc[2]; // 0x38
    uint32_t swhsdst[2]; // 0x40
    uint32_t blk_tfr[2]; // 0x48
    uint32_t axi_id[2]; // 0x50
    uint32_t axi_qos[2]; // 0x58
    uint32_t reserved0[8]; // 0x60
    uint32_t intstatus_en[2]; // 0x80
    uint32_t intstatus[2]; // 0x88
    uint32_t intsignal_en[2]; // 0x90
    uint32_t intclear[2]; // 0x98
    uint32_t reserved1[24]; // 0xa0
} dmac_channel_t;

typedef struct {
    uint32_t id[2]; // 0x00
    uint32_t compver[2]; // 0x08
    uint32_t cfg[2]; // 0x10
    uint32_t chen[2]; // 0x18
    uint32_t reserved0[4]; // 0x20
    uint32_t intstatus[2]; // 0x30
    uint32_t com_intclear[2]; // 0x38
    uint32_t com_intstatus_en[2]; // 0x40
    uint32_t com_intsignal_en[2]; // 0x48
    uint32_t com_intstatus[2]; // 0x50
    uint32_t reset[2]; // 0x58
    uint32_t reserved1[40]; // 0x60
    dmac_channel_t channel[DMAC_CHANNEL_MAX]; // 0x100
} dmac_t;

#define dmac ((volatile dmac_t *)DMAC_BASE_ADDR)

// cfg[0]
#define DMAC_CFG_ENABLE (1u << 0)
#define DMAC_CFG_INT_ENABLE (1u << 1)

// chen[0]: a bit counts only with its write-enable bit
#define DMAC_CHEN_EN(channel) (1u << (channel))
#define DMAC_CHEN_EN_WE(channel) (1u << ((channel) + 8))
// chen[1]
#define DMAC_CHEN_ABORT(channel) (1u << (channel))
#define DMAC_CHEN_ABORT_WE(channel) (1u << ((channel) + 8))

#define DMAC_RESET_RST (1u << 0)

// channel.ctl[0]
#define DMAC_CTL_SMS(master) ((uint32_t)(master))
#define DMAC_CTL_DMS(master) ((uint32_t)(master) << 2)
#define DMAC_CTL_SINC(mode) ((uint32_t)(mode) << 4)
#define DMAC_CTL_DINC(mode) ((uint32_t)(mode) << 6)
#define DMAC_CTL_SRC_TR_WIDTH(width) ((uint32_t)(width) << 8)
#define DMAC_CTL_DST_TR_WIDTH(width) ((uint32_t)(width) << 11)
#define DMAC_CTL_SRC_MSIZE(size) ((uint32_t)(size) << 14)
#define DMAC_CTL_DST_MSIZE(size) ((uint32_t)(size) << 18)

// channel.cfg[1]
#define DMAC_CFG_TT_FC(flow) ((uint32_t)(flow))
#define DMAC_CFG_HS_SEL_SRC(select) ((uint32_t)(select) << 3)
#define DMAC_CFG_HS_SEL_DST(select) ((uint32_t)(select) << 4)
#define DMAC_CFG_SRC_PER(interface) ((uint32_t)(interface) << 7)
#define DMAC_CFG_DST_PER(interface) ((uint32_t)(interface) << 12)

// channel.intstatus[0], intstatus_en, intsignal_en, intclear
#define DMAC_INT_BLOCK_DONE (1u << 0)
#define DMAC_INT_TRANSFER_DONE (1u << 1)
#define DMAC_INT_ERRORS (0x7fe0u)
#define DMAC_INT_ABORTED (1u << 31)
#define DMAC_INT_ALL (0xffffffffu)

// The largest number of items in one transfer.
#define DMAC_BLOCK_MAX (1u << 22)

// How long dmac_wait_done() and dmac_wait_idle() let a transfer take.
#define DMAC_WAIT_LIMIT_US (10000000u)

typedef enum _dmac_src_dst_select { DMAC_SRC = 0x1, DMAC_DST = 0x2, DMAC_SRC_DST = 0x3 } dmac_src_dst_select_t;

typedef enum _dmac_sw_hw_hs_select { DMAC_HS_HARDWARE = 0x0, DMAC_HS_SOFTWARE = 0x1 } dmac_sw_hw_hs_select_t;

typedef enum _dmac_master_number { DMAC_MASTER1 = 0x0, DMAC_MASTER2 = 0x1 } dmac_master_number_t;

typedef enum _dmac_transfer_flow {
    DMAC_MEM2MEM_DMA = 0x0,
    DMAC_MEM2PRF_DMA = 0x1,
    DMAC_PRF2MEM_DMA = 0x2,
    DMAC_PRF2PRF_DMA = 0x3,
    DMAC_PRF2MEM_PRF = 0x4,
    DMAC_PRF2PRF_SRCPRF = 0x5,
    DMAC_MEM2PRF_PRF = 0x6,
    DMAC_PRF2PRF_DSTPRF = 0x7
} dmac_transfer_flow_t;

typedef enum _dmac_burst_trans_length {
    DMAC_MSIZE_1 = 0x0,
    DMAC_MSIZE_4 = 0x1,
    DMAC_MSIZE_8 = 0x2,
    DMAC_MSIZE_16 = 0x3,
    DMAC_MSIZE_32 = 0x4,
    DMAC_MSIZE_64 = 0x5,
    DMAC_MSIZE_128 = 0x6,
    DMAC_MSIZE_256 = 0x7
} dmac_burst_trans_length_t;

typedef enum _dmac_address_increment { DMAC_ADDR_INCREMENT = 0x0, DMAC_ADDR_NOCHANGE = 0x1 } dmac_address_increment_t;

typedef enum _dmac_transfer_width {
    DMAC_TRANS_WIDTH_8 = 0x0,
    DMAC_TRANS_WIDTH_16 = 0x1,
    DMAC_TRANS_WIDTH_32 = 0x2,
    DMAC_TRANS_WIDTH_64 = 0x3,
    DMAC_TRANS_WIDTH_128 = 0x4,
    DMAC_TRANS_WIDTH_256 = 0x5
} dmac_transfer_width_t;

// Clock on, reset, all channels idle and unclaimed. Call once, before anything that uses DMA.
void dmac_init(void);

// Starts a transfer of `block_size` items of the given width. An end that is not memory is taken as a
// peripheral; its request is tied to the channel with sysctl_dma_select(). The channel must be idle.
// A transfer that goes through iomem because an end is cached is finished by dmac_wait_done(), or by
// the interrupt before its callback runs.
void dmac_set_single_mode(dmac_channel_number_t channel_num, const void *src, void *dest,
    dmac_address_increment_t src_inc, dmac_address_increment_t dest_inc, dmac_burst_trans_length_t dmac_burst_size,
    dmac_transfer_width_t dmac_trans_width, size_t block_size);

// 1 when the transfer is done.
int dmac_is_done(dmac_channel_number_t channel_num);

// Sleeps until the transfer is done, at most DMAC_WAIT_LIMIT_US; then it is cancelled.
void dmac_wait_done(dmac_channel_number_t channel_num);

// As dmac_wait_done(), with the limit in microseconds. True when all was moved; false after the limit or
// a bus error: then the channel is off.
bool dmac_wait_done_timeout(dmac_channel_number_t channel_num, uint32_t timeout_us);

// 1 when no transfer is under way.
int dmac_is_idle(dmac_channel_number_t channel_num);

// Sleeps until no transfer is under way, at most DMAC_WAIT_LIMIT_US.
void dmac_wait_idle(dmac_channel_number_t channel_num);

// Calls `dmac_callback(ctx)` from the interrupt at the end of each transfer of the channel, on the hart
// that starts it. Priority 1 to 7.
void dmac_irq_register(
    dmac_channel_number_t channel_num, plic_irq_callback_t dmac_callback, void *ctx, uint32_t priority);
void dmac_irq_unregister(dmac_channel_number_t channel_num);

// Older names of the two above.
void dmac_set_irq(dmac_channel_number_t channel_num, plic_irq_callback_t dmac_callback, void *ctx, uint32_t priority);
void dmac_free_irq(dmac_channel_number_t channel_num);

// Starts the channel again as it was set up, with what is given anew: addresses unless NULL, `len` items
// unless 0. Uncached addresses only.
void dmac_set_src_dest_length(dmac_channel_number_t channel_num, const void *src, void *dest, size_t len);

// No interrupt of this channel until the next dmac_set_single_mode().
void dmac_disable_channel_interrupt(dmac_channel_number_t channel_num);

// Stops the transfer under way; what was not moved is lost.
void dmac_channel_disable(dmac_channel_number_t channel_num);
void dmac_channel_enable(dmac_channel_number_t channel_num);

// A channel for the caller's use until it gives it back, or -1 when all six are taken. What uses a
// fixed channel can take it with dmac_channel_claim(); that is false when it is taken.
int dmac_channel_alloc(void);
bool dmac_channel_claim(dmac_channel_number_t channel_num);
// Cancels what is under way, takes the callback away.
void dmac_channel_free(dmac_channel_number_t channel_num);

#endif // K210_DMAC_H
