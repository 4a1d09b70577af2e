// CLINT: software interrupts between harts, and the machine timer.
// Registers: SiFive FE310-G000 manual, chapter "Core-Local Interruptor"; two harts here. Function
// names as in the Kendryte standalone SDK.
#ifndef K210_CLINT_H
#define K210_CLINT_H

#include <stddef.h>
#include <stdint.h>

#include "platform.h"

typedef struct {
    uint32_t msip[PLATFORM_NUM_CORES]; // 0x0000
    uint32_t reserved0[0x1000 - PLATFORM_NUM_CORES];
    uint64_t mtimecmp[PLATFORM_NUM_CORES]; // 0x4000
    uint64_t reserved1[0xfff - PLATFORM_NUM_CORES];
    uint64_t mtime; // 0xbff8
} clint_t;

#define clint ((volatile clint_t *)CLINT_BASE_ADDR)

// mtime counts once in so many CPU cycles. Source: Kendryte standalone SDK, clint.h.
#define CLINT_CLOCK_DIV (50)

#define CLINT_NEVER UINT64_MAX

typedef int (*clint_timer_callback_t)(void *ctx);
typedef int (*clint_ipi_callback_t)(void *ctx);

static inline uint64_t clint_get_time(void) {
    return clint->mtime;
}

// The machine timer interrupt of a hart becomes pending when mtime reaches `time`. For programs that
// do without the alarms below.
void clint_timer_set(unsigned core_id, uint64_t time);

// A hart's alarms share its mtimecmp; the earliest is armed.
typedef enum {
    CLINT_ALARM_WAIT, // bsp_wait() and its kin
    CLINT_ALARM_INTERVAL, // clint_timer_start()
    CLINT_ALARM_SYSTEM, // the program's own
    CLINT_ALARM_COUNT,
} clint_alarm_t;

// Sets the calling hart's alarm to an mtime, or CLINT_NEVER. Its callback is called from the
// interrupt once, on that hart.
void clint_alarm_set(clint_alarm_t alarm, uint64_t time);
void clint_alarm_register(clint_alarm_t alarm, clint_timer_callback_t callback, void *ctx);

// The machine timer interrupt has come (from handle_trap).
void clint_timer_interrupt(void);

// The SDK's interval timer of the calling hart: `interval` in milliseconds. All return 0, or -1 for
// an interval of 0.
int clint_timer_init(void);
int clint_timer_start(uint64_t interval, int single_shot);
int clint_timer_stop(void);
int clint_timer_register(clint_timer_callback_t callback, void *ctx);
int clint_timer_unregister(void);

// Software interrupts: `core_id` 0 or 1. All return 0, or -1 where there is no such hart.
int clint_ipi_init(void);
int clint_ipi_enable(void);
int clint_ipi_disable(void);
int clint_ipi_send(size_t core_id);
int clint_ipi_clear(size_t core_id);
// `callback` runs on the calling hart, which clears its interrupt before.
int clint_ipi_register(clint_ipi_callback_t callback, void *ctx);
int clint_ipi_unregister(void);

// The software interrupt has come (from handle_trap).
void clint_ipi_interrupt(void);

#endif // K210_CLINT_H
