// WDT0 and WDT1: watchdogs that reset the chip when they are not fed.
// Registers: Kendryte standalone SDK, wdt.h; the blocks are DesignWare watchdogs (Linux,
// drivers/watchdog/dw_wdt.c).
#ifndef K210_WDT_H
#define K210_WDT_H

#include <stddef.h>
#include <stdint.h>

#include "platform.h"
#include "plic.h"

typedef struct {
    uint32_t cr; // 0x00
    uint32_t torr; // 0x04
    uint32_t ccvr; // 0x08
    uint32_t crr; // 0x0c
    uint32_t stat; // 0x10
    uint32_t eoi; // 0x14, reading it clears the interrupt
    uint32_t reserved0;
    uint32_t prot_level; // 0x1c
    uint32_t reserved1[49];
    uint32_t comp_param[5]; // 0xe4, from number 5 down to 1
    uint32_t comp_version; // 0xf8
    uint32_t comp_type; // 0xfc
} wdt_t;

#define WDT_CR_ENABLE (0x00000001U) // only a reset of the block clears it
#define WDT_CR_RMOD_MASK (0x00000002U)
#define WDT_CR_RMOD_RESET (0x00000000U)
#define WDT_CR_RMOD_INTERRUPT (0x00000002U) // interrupt first; reset when that is not cleared in time
#define WDT_CR_RPL(x) ((x) << 2)
#define WDT_TORR_TOP(x) ((x) << 4 | (x) << 0) // time-out: 2^(16 + x) clocks, x 0 to 15
#define WDT_CRR_MASK (0x00000076U) // what feeds it

typedef enum {
    WDT_DEVICE_0,
    WDT_DEVICE_1,
    WDT_DEVICE_MAX,
} wdt_device_number_t;

extern volatile wdt_t *const wdt[WDT_DEVICE_MAX];

// The longest time-out: 2^31 clocks of the crystal's frequency / 512.
#define WDT_MAX_MS (42288000)

// Starts a watchdog, the first time-out at `time_out_ms` (at least; within 1 % or 10 ms) after now and after
// each wdt_feed(). With a callback, `on_irq(ctx)` is called then, and the chip is reset when the same time passes
// again without wdt_feed() or wdt_clear_interrupt(); without one it is reset at once. Returns the real
// time-out in milliseconds, cut off at WDT_MAX_MS.
uint32_t wdt_init(wdt_device_number_t id, uint64_t time_out_ms, plic_irq_callback_t on_irq, void *ctx);

// The same with ctx NULL.
void wdt_start(wdt_device_number_t id, uint64_t time_out_ms, plic_irq_callback_t on_irq);

void wdt_feed(wdt_device_number_t id);

// Resets the block: the only way to stop it.
void wdt_stop(wdt_device_number_t id);

// Ends the interrupt without feeding.
void wdt_clear_interrupt(wdt_device_number_t id);

#endif // K210_WDT_H
