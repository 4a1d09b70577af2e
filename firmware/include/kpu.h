// KPU: the neural accelerator. It runs one layer after another out of a FIFO of arguments, on images in its own 2 MiB
// of RAM, and fetches weights by bus address.
// Registers, argument words and the names here: Kendryte standalone SDK, kpu.h. What the arithmetic does: nncase
// v1.9.0, modules/k210/include/nncase/kernels/k210/k210_kernels.h.
//
// Memory: the KPU does not see the processor's caches. Parameters have to lie in memory that was written through
// its uncached address (iomem.h); their addresses in the argument words are uncached ones too.
#ifndef K210_KPU_H
#define K210_KPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dmac.h"
#include "platform.h"
#include "plic.h"

// Images lie in lines of so many bytes; addresses in argument words count them.
#define KPU_LINE (64)
#define KPU_RAM ((volatile uint8_t *)AI_RAM_UNCACHED_BASE_ADDR)
#define KPU_FIFO_LAYERS (16)
#define KPU_LAYER_WORDS (12)

// The bits of a layer's twelve argument words, as the SDK names them. Counts and sizes are less one.
typedef struct {
    union {
        uint64_t reg;
        struct {
            uint64_t int_en : 1, ram_flag : 1, full_add : 1, depth_wise_layer : 1, reserved : 60;
        } data;
    } interrupt_enabe;
    union {
        uint64_t reg;
        struct {
            uint64_t image_src_addr : 15, reserved0 : 17, image_dst_addr : 15, reserved1 : 17;
        } data;
    } image_addr;
    union {
        uint64_t reg;
        struct {
            uint64_t i_ch_num : 10, reserved0 : 22, o_ch_num : 10, reserved1 : 6, o_ch_num_coef : 10, reserved2 : 6;
        } data;
    } image_channel_num;
    union {
        uint64_t reg;
        struct {
            uint64_t i_row_wid : 10, i_col_high : 9, reserved0 : 13, o_row_wid : 10, o_col_high : 9, reserved1 : 13;
        } data;
    } image_size;
    union {
        uint64_t reg;
        struct {
            uint64_t kernel_type : 3, pad_type : 1, pool_type : 4, first_stride : 1, bypass_conv : 1, load_para : 1;
            uint64_t reserved0 : 5, dma_burst_size : 8, pad_value : 8, bwsx_base_addr : 32;
        } data;
    } kernel_pool_type_cfg;
    union {
        uint64_t reg;
        struct {
            uint64_t load_coor : 1, load_time : 6, reserved0 : 8, para_size : 17, para_start_addr : 32;
        } data;
    } kernel_load_cfg;
    union {
        uint64_t reg;
        struct {
            uint64_t coef_column_offset : 4, coef_row_offset : 12, reserved0 : 48;
        } data;
    } kernel_offset;
    union {
        uint64_t reg;
        struct {
            uint64_t channel_switch_addr : 15, reserved : 1, row_switch_addr : 4, coef_size : 8, coef_group : 3;
            uint64_t load_act : 1, active_addr : 32;
        } data;
    } kernel_calc_type_cfg;
    union {
        uint64_t reg;
        struct {
            uint64_t wb_channel_switch_addr : 15, reserved0 : 1, wb_row_switch_addr : 4, wb_group : 3, reserved1 : 41;
        } data;
    } write_back_cfg;
    union {
        uint64_t reg;
        struct {
            uint64_t shr_w : 4, shr_x : 4, arg_w : 24, arg_x : 24, reserved0 : 8;
        } data;
    } conv_value;
    union {
        uint64_t reg;
        struct {
            uint64_t arg_add : 40, reserved : 24;
        } data;
    } conv_value2;
    union {
        uint64_t reg;
        struct {
            uint64_t send_data_out : 1, reserved : 15, channel_byte_num : 16, dma_total_byte : 32;
        } data;
    } dma_parameter;
} kpu_layer_argument_t;

_Static_assert(sizeof(kpu_layer_argument_t) == KPU_LAYER_WORDS * 8, "a layer's arguments");

// interrupt_status, interrupt_raw, interrupt_mask (a set bit keeps it back) and interrupt_clear
#define KPU_INT_CALC_DONE (1u << 0)
#define KPU_INT_LAYER_CFG_ALMOST_EMPTY (1u << 1)
#define KPU_INT_LAYER_CFG_ALMOST_FULL (1u << 2)
#define KPU_INT_ALL (7u)

// fifo_threshold
#define KPU_FIFO_FULL_THRESHOLD(layers) ((uint64_t)(layers))
#define KPU_FIFO_EMPTY_THRESHOLD(layers) ((uint64_t)(layers) << 4)

typedef struct {
    uint64_t layer_argument_fifo; // 0x00
    uint64_t interrupt_status; // 0x08
    uint64_t interrupt_raw; // 0x10
    uint64_t interrupt_mask; // 0x18
    uint64_t interrupt_clear; // 0x20
    uint64_t fifo_threshold; // 0x28
    uint64_t fifo_data_out; // 0x30
    uint64_t fifo_ctrl; // 0x38
    uint64_t eight_bit_mode; // 0x40, bit 0: weights have 8 bits
} kpu_config_t;

static volatile kpu_config_t *const kpu = (volatile kpu_config_t *)AI_BASE_ADDR;

// Clock on, everything stopped and forgotten, interrupts kept back. Images in KPU RAM stay. Also what stops a layer
// under way; a DMA channel of its output is the caller's to stop.
void kpu_reset(void);

// Sets the width of weights, and what kpu_conv2d()'s end calls: `callback(userdata)`, from the interrupt.
void kpu_init(int eight_bit_mode, plic_irq_callback_t callback, void *userdata);

// Starts one layer whose output stays in KPU RAM; kpu_init()'s callback is called when it is done. Sets the bit of
// the layer that asks for the interrupt.
void kpu_conv2d(kpu_layer_argument_t *layer);

// Starts one layer whose output also goes to `dest`, compact, channel by channel: (dma_total_byte + 8) / 8 * 8
// bytes. `callback(userdata)` is called from the DMA channel's interrupt when all of it is there. `dest` at
// an uncached address is filled in place.
void kpu_conv2d_output(kpu_layer_argument_t *layer, dmac_channel_number_t dma_ch, uint8_t *dest,
    plic_irq_callback_t callback, void *userdata);

// Starts the transfer of the layer's input image to KPU RAM by DMA; `callback(userdata)` is called at its end. For
// widths that are a multiple of 64, whose rows lie without gaps.
void kpu_input_dma(const kpu_layer_argument_t *layer, const uint8_t *src, dmac_channel_number_t dma_ch,
    plic_irq_callback_t callback, void *userdata);

// Puts the layer's input image into KPU RAM by the processor, for any width.
void kpu_input_with_padding(kpu_layer_argument_t *layer, const uint8_t *src, int width, int height, int channels);

// The same for an image at any line of KPU RAM.
void kpu_upload(uint32_t line, const uint8_t *src, uint32_t width, uint32_t height, uint32_t channels);

// A net whose layers all run on the KPU, from one array of arguments with their addresses filled in.
typedef struct {
    kpu_layer_argument_t *layers;
    uint32_t layers_length;
    uint32_t eight_bit_mode;
    void *ctx; // for the callback of kpu_run()
} kpu_task_t;

// Runs all layers of the task: input by DMA, the last layer's output by DMA to `dest`, then `callback(task->ctx)` from
// the interrupt. The task and its layers must stay until then. Returns 0, or -1 when the KPU is at such work already or
// there are no layers.
int kpu_run(kpu_task_t *task, dmac_channel_number_t dma_ch, const void *src, void *dest, plic_irq_callback_t callback);

#endif // K210_KPU_H
