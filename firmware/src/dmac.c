#include <string.h>

#include "bsp.h"
#include "dmac.h"
#include "iomem.h"
#include "sysctl.h"

// What a channel copies at a time for an end that is cached.
#define BOUNCE_SIZE (2048)

// Reset and abort take a few bus cycles.
#define SHORT_WAIT (10000)

// One end of a transfer that is under way.
typedef struct {
    uintptr_t at; // as the caller gave it, moving on with each piece
    uint8_t *bounce; // what the controller sees instead, or NULL
    bool fixed;
} end_t;

typedef struct {
    dmac_channel_number_t number;
    bool claimed;
    end_t source, target;
    uint32_t ctl, item_size;
    size_t piece, left; // items: under way, and in all including these
    volatile bool busy, done, failed;
    plic_irq_callback_t callback;
    void *ctx;
    uint32_t priority;
} channel_state_t;

static channel_state_t channels[DMAC_CHANNEL_MAX];
static uint8_t bounce[DMAC_CHANNEL_MAX][BOUNCE_SIZE] IOMEM;

// The SDK's dmac.c takes the AES block's text input (aes.h: aes_text_data) for memory too: it fills without a
// handshake.
#define AES_TEXT_DATA (0x50450040UL)

static bool is_memory(uintptr_t address) {
    return is_memory_cache(address)
        || (address >= RAM_UNCACHED_BASE_ADDR && address < RAM_UNCACHED_BASE_ADDR + RAM_SIZE + AI_RAM_SIZE)
        || address == AES_TEXT_DATA;
}

static void channel_off(unsigned number) {
    dmac->chen[0] = DMAC_CHEN_EN_WE(number);
    for (unsigned i = 0; i < SHORT_WAIT && dmac->chen[0] & DMAC_CHEN_EN(number); i++) {
        if (i == SHORT_WAIT / 2) { // it waits for a peripheral in mid-burst
            dmac->chen[1] = DMAC_CHEN_ABORT(number) | DMAC_CHEN_ABORT_WE(number);
        }
    }
}

static void set_address(volatile uint32_t *reg, uintptr_t address) {
    reg[0] = (uint32_t)address;
    reg[1] = (uint32_t)(address >> 32);
}

static size_t span(const end_t *end, size_t items, uint32_t item_size) {
    return end->fixed ? item_size : items * item_size;
}

// Starts the next piece: all that is left, or what the bounce buffers take.
static void start_piece(channel_state_t *c) {
    volatile dmac_channel_t *regs = &dmac->channel[c->number];
    size_t most = DMAC_BLOCK_MAX;
    if (c->source.bounce && c->target.bounce) {
        most = BOUNCE_SIZE / 2 / c->item_size;
    } else if ((c->source.bounce && !c->source.fixed) || (c->target.bounce && !c->target.fixed)) {
        most = BOUNCE_SIZE / c->item_size;
    }
    c->piece = c->left < most ? c->left : most;
    if (c->source.bounce) {
        memcpy(c->source.bounce, (const void *)c->source.at, span(&c->source, c->piece, c->item_size));
    }
    set_address(regs->sar, c->source.bounce ? (uintptr_t)c->source.bounce : c->source.at);
    set_address(regs->dar, c->target.bounce ? (uintptr_t)c->target.bounce : c->target.at);
    regs->ctl[0] = c->ctl;
    regs->ctl[1] = 0;
    regs->block_ts[0] = (uint32_t)c->piece - 1;
    regs->intclear[0] = DMAC_INT_ALL;
    __sync_synchronize(); // what the bounce buffer holds is there before the channel starts
    dmac->chen[0] = DMAC_CHEN_EN(c->number) | DMAC_CHEN_EN_WE(c->number);
}

// A piece ended: hands its data over and starts the next one, or ends the transfer.
static void finish_piece(channel_state_t *c) {
    if (c->target.bounce) {
        memcpy((void *)c->target.at, c->target.bounce, span(&c->target, c->piece, c->item_size));
    }
    c->left -= c->piece;
    if (!c->source.fixed) {
        c->source.at += c->piece * c->item_size;
    }
    if (!c->target.fixed) {
        c->target.at += c->piece * c->item_size;
    }
    if (c->left) {
        start_piece(c);
        return;
    }
    c->busy = false;
    c->done = true;
}

// Looks what became of a channel; true when its transfer ended.
static bool service(channel_state_t *c) {
    volatile dmac_channel_t *regs = &dmac->channel[c->number];
    uint32_t status = regs->intstatus[0];
    regs->intclear[0] = status;
    if (!c->busy) {
        return false;
    }
    if (status & (DMAC_INT_ERRORS | DMAC_INT_ABORTED)) {
        c->failed = true;
        c->busy = false;
        c->done = true;
    } else if (status & DMAC_INT_TRANSFER_DONE) {
        finish_piece(c);
    }
    return c->done;
}

static int on_interrupt(void *ctx) {
    channel_state_t *c = ctx;
    if (service(c) && c->callback) {
        c->callback(c->ctx);
    }
    return 0;
}

void dmac_init(void) {
    sysctl_clock_enable(SYSCTL_CLOCK_DMA);
    dmac->reset[0] = DMAC_RESET_RST;
    for (unsigned i = 0; i < SHORT_WAIT && dmac->reset[0] & DMAC_RESET_RST; i++) {
    }
    for (unsigned i = 0; i < DMAC_CHANNEL_MAX; i++) {
        channels[i] = (channel_state_t){.number = i, .priority = 1};
        dmac->channel[i].intstatus_en[0] = 0;
        dmac->channel[i].intclear[0] = DMAC_INT_ALL;
        plic_irq_register(IRQN_DMA0_INTERRUPT + i, on_interrupt, &channels[i]);
    }
    dmac->cfg[0] = DMAC_CFG_ENABLE | DMAC_CFG_INT_ENABLE;
}

static void begin(channel_state_t *c) {
    volatile dmac_channel_t *regs = &dmac->channel[c->number];
    c->done = c->failed = false;
    c->busy = true;
    regs->intstatus_en[0] = DMAC_INT_TRANSFER_DONE | DMAC_INT_ERRORS | DMAC_INT_ABORTED;
    regs->intsignal_en[0] = DMAC_INT_TRANSFER_DONE | DMAC_INT_ERRORS | DMAC_INT_ABORTED;
    plic_set_priority(IRQN_DMA0_INTERRUPT + c->number, c->priority);
    plic_irq_enable(IRQN_DMA0_INTERRUPT + c->number);
}

void dmac_set_single_mode(dmac_channel_number_t channel_num, const void *src, void *dest,
    dmac_address_increment_t src_inc, dmac_address_increment_t dest_inc, dmac_burst_trans_length_t dmac_burst_size,
    dmac_transfer_width_t dmac_trans_width, size_t block_size) {
    // The four flows without a peripheral's control are numbered so that this picks one.
    bool from_memory = is_memory((uintptr_t)src), to_memory = is_memory((uintptr_t)dest);
    dmac_transfer_flow_t flow = from_memory ? (to_memory ? DMAC_MEM2MEM_DMA : DMAC_MEM2PRF_DMA)
                                            : (to_memory ? DMAC_PRF2MEM_DMA : DMAC_PRF2PRF_DMA);
    channel_state_t *c = &channels[channel_num];
    volatile dmac_channel_t *regs = &dmac->channel[channel_num];
    channel_off(channel_num);
    c->busy = false;
    c->source = (end_t){(uintptr_t)src, NULL, src_inc == DMAC_ADDR_NOCHANGE};
    c->target = (end_t){(uintptr_t)dest, NULL, dest_inc == DMAC_ADDR_NOCHANGE};
    if (is_memory_cache((uintptr_t)src)) {
        c->source.bounce = bounce[channel_num];
    }
    if (is_memory_cache((uintptr_t)dest)) {
        c->target.bounce = bounce[channel_num] + (c->source.bounce ? BOUNCE_SIZE / 2 : 0);
    }
    c->ctl = DMAC_CTL_SMS(DMAC_MASTER1) | DMAC_CTL_DMS(DMAC_MASTER2) | DMAC_CTL_SINC(src_inc) | DMAC_CTL_DINC(dest_inc)
        | DMAC_CTL_SRC_TR_WIDTH(dmac_trans_width) | DMAC_CTL_DST_TR_WIDTH(dmac_trans_width)
        | DMAC_CTL_SRC_MSIZE(dmac_burst_size) | DMAC_CTL_DST_MSIZE(dmac_burst_size);
    c->item_size = 1u << dmac_trans_width;
    c->left = block_size;
    regs->cfg[0] = 0;
    regs->cfg[1] = DMAC_CFG_TT_FC(flow) | DMAC_CFG_HS_SEL_SRC(from_memory ? DMAC_HS_SOFTWARE : DMAC_HS_HARDWARE)
        | DMAC_CFG_HS_SEL_DST(to_memory ? DMAC_HS_SOFTWARE : DMAC_HS_HARDWARE) | DMAC_CFG_SRC_PER(channel_num)
        | DMAC_CFG_DST_PER(channel_num);
    begin(c);
    if (block_size) {
        start_piece(c);
    } else {
        c->busy = false;
        c->done = true;
    }
}

int dmac_is_done(dmac_channel_number_t channel_num) {
    return channels[channel_num].done;
}

int dmac_is_idle(dmac_channel_number_t channel_num) {
    return !channels[channel_num].busy && !(dmac->chen[0] & DMAC_CHEN_EN(channel_num));
}

bool dmac_wait_done_timeout(dmac_channel_number_t channel_num, uint32_t timeout_us) {
    channel_state_t *c = &channels[channel_num];
    if (c->busy && !bsp_wait(&c->done, timeout_us)) {
        // Where interrupts are off the end was not noticed.
        uint64_t state = bsp_irq_save();
        service(c);
        if (c->busy) {
            c->busy = false;
            c->failed = true;
            channel_off(channel_num);
        }
        bsp_irq_restore(state);
    }
    return !c->failed;
}

void dmac_wait_done(dmac_channel_number_t channel_num) {
    dmac_wait_done_timeout(channel_num, DMAC_WAIT_LIMIT_US);
}

void dmac_wait_idle(dmac_channel_number_t channel_num) {
    dmac_wait_done_timeout(channel_num, DMAC_WAIT_LIMIT_US);
}

void dmac_irq_register(
    dmac_channel_number_t channel_num, plic_irq_callback_t dmac_callback, void *ctx, uint32_t priority) {
    uint64_t state = bsp_irq_save();
    channel_state_t *c = &channels[channel_num];
    c->callback = dmac_callback;
    c->ctx = ctx;
    c->priority = priority;
    plic_set_priority(IRQN_DMA0_INTERRUPT + channel_num, priority);
    bsp_irq_restore(state);
}

void dmac_irq_unregister(dmac_channel_number_t channel_num) {
    dmac_irq_register(channel_num, NULL, NULL, 1);
}

void dmac_set_irq(dmac_channel_number_t channel_num, plic_irq_callback_t dmac_callback, void *ctx, uint32_t priority) {
    dmac_irq_register(channel_num, dmac_callback, ctx, priority);
}

void dmac_free_irq(dmac_channel_number_t channel_num) {
    dmac_irq_unregister(channel_num);
}

void dmac_set_src_dest_length(dmac_channel_number_t channel_num, const void *src, void *dest, size_t len) {
    channel_state_t *c = &channels[channel_num];
    volatile dmac_channel_t *regs = &dmac->channel[channel_num];
    c->source.bounce = c->target.bounce = NULL;
    if (src) {
        set_address(regs->sar, (uintptr_t)src);
    }
    if (dest) {
        set_address(regs->dar, (uintptr_t)dest);
    }
    if (len) {
        regs->block_ts[0] = (uint32_t)len - 1;
    }
    regs->intclear[0] = DMAC_INT_ALL;
    c->piece = c->left = regs->block_ts[0] + 1;
    begin(c);
    dmac_channel_enable(channel_num);
}

void dmac_disable_channel_interrupt(dmac_channel_number_t channel_num) {
    dmac->channel[channel_num].intsignal_en[0] = 0;
}

void dmac_channel_disable(dmac_channel_number_t channel_num) {
    uint64_t state = bsp_irq_save();
    channel_off(channel_num);
    channels[channel_num].busy = false;
    dmac->channel[channel_num].intclear[0] = DMAC_INT_ALL;
    bsp_irq_restore(state);
}

void dmac_channel_enable(dmac_channel_number_t channel_num) {
    __sync_synchronize();
    dmac->chen[0] = DMAC_CHEN_EN(channel_num) | DMAC_CHEN_EN_WE(channel_num);
}

bool dmac_channel_claim(dmac_channel_number_t channel_num) {
    return !__sync_lock_test_and_set(&channels[channel_num].claimed, true);
}

int dmac_channel_alloc(void) {
    for (unsigned i = 0; i < DMAC_CHANNEL_MAX; i++) {
        if (dmac_channel_claim(i)) {
            return (int)i;
        }
    }
    return -1;
}

void dmac_channel_free(dmac_channel_number_t channel_num) {
    dmac_channel_disable(channel_num);
    plic_irq_disable(IRQN_DMA0_INTERRUPT + channel_num);
    dmac_irq_unregister(channel_num);
    __sync_lock_release(&channels[channel_num].claimed);
}
