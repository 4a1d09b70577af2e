// Included by extmod/modmachine.c: the functions of module machine that are not a class.

#include "py/mperrno.h"

#include "console.h"
#include "k210_flash.h"
#include "machine_sdcard.h"
#include "sysctl.h"

typedef enum {
    RESET_PWRON = 1,
    RESET_HARD = 2,
    RESET_WDT = 3,
    RESET_DEEPSLEEP = 4,
    RESET_SOFT = 5,
} reset_cause_t;

static void mem64_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)self_in;
    (void)kind;
    mp_print_str(print, "<64-bit memory>");
}

static mp_obj_t mem64_subscr(mp_obj_t self_in, mp_obj_t index, mp_obj_t value) {
    (void)self_in;
    if (value == MP_OBJ_NULL) {
        return MP_OBJ_NULL;
    }
    uintptr_t address = mp_obj_get_int_truncated(index);
    if (address % sizeof(uint64_t)) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("address %08lx is not aligned to 8 bytes"), address);
    }
    volatile uint64_t *word = (volatile uint64_t *)address;
    if (value == MP_OBJ_SENTINEL) {
        return mp_obj_new_int_from_ull(*word);
    }
    *word = mp_obj_get_int_truncated(value);
    return mp_const_none;
}

static MP_DEFINE_CONST_OBJ_TYPE(mem64_type, MP_QSTR_mem64, MP_TYPE_FLAG_NONE, print, mem64_print, subscr, mem64_subscr);
static const mp_obj_base_t mem64_obj = {&mem64_type};

// Classes of this port that extmod/modmachine.c does not list.
#define MICROPY_PY_MACHINE_EXTRA_GLOBALS                                                                               \
    {MP_ROM_QSTR(MP_QSTR_mem64), MP_ROM_PTR(&mem64_obj)}, {MP_ROM_QSTR(MP_QSTR_Pin), MP_ROM_PTR(&machine_pin_type)},   \
        {MP_ROM_QSTR(MP_QSTR_RTC), MP_ROM_PTR(&machine_rtc_type)},                                                     \
        {MP_ROM_QSTR(MP_QSTR_SDCard), MP_ROM_PTR(&machine_sdcard_type)},                                               \
        {MP_ROM_QSTR(MP_QSTR_Timer), MP_ROM_PTR(&machine_timer_type)},                                                 \
        {MP_ROM_QSTR(MP_QSTR_PWRON_RESET), MP_ROM_INT(RESET_PWRON)},                                                   \
        {MP_ROM_QSTR(MP_QSTR_HARD_RESET), MP_ROM_INT(RESET_HARD)},                                                     \
        {MP_ROM_QSTR(MP_QSTR_WDT_RESET), MP_ROM_INT(RESET_WDT)},                                                       \
        {MP_ROM_QSTR(MP_QSTR_DEEPSLEEP_RESET), MP_ROM_INT(RESET_DEEPSLEEP)},                                           \
        {MP_ROM_QSTR(MP_QSTR_SOFT_RESET), MP_ROM_INT(RESET_SOFT)},

// The chip tells a reset by software from one by its pin; power-on counts as the latter.
static mp_int_t mp_machine_reset_cause(void) {
    switch (sysctl_get_reset_status()) {
        case SYSCTL_RESET_STATUS_SOFT:
            return RESET_HARD;
        case SYSCTL_RESET_STATUS_WDT0:
        case SYSCTL_RESET_STATUS_WDT1:
            return RESET_WDT;
        default:
            return RESET_PWRON;
    }
}

NORETURN static void mp_machine_reset(void) {
    console_flush();
    sysctl_reset(SYSCTL_RESET_SOC);
    for (;;) {
        __asm__ volatile("wfi");
    }
}

// The chip has no number that can be told from others; its flash chip has.
static mp_obj_t mp_machine_unique_id(void) {
    uint8_t id[8];
    k210_flash_start();
    if (w25qxx_read_unique_id(id) != W25QXX_OK) {
        mp_raise_OSError(MP_EIO);
    }
    return mp_obj_new_bytes(id, sizeof(id));
}

static mp_obj_t mp_machine_get_freq(void) {
    return mp_obj_new_int_from_uint(sysctl_cpu_get_freq());
}

#define FREQ_MIN (40000000)
#define FREQ_MAX (500000000)

// Everything that hangs on PLL0 moves with the CPU; the console is set anew, other buses are not.
static void mp_machine_set_freq(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mp_int_t freq = mp_obj_get_int(args[0]);
    if (freq < FREQ_MIN || freq > FREQ_MAX) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("frequency %ld is not between %d and %d"), freq, FREQ_MIN, FREQ_MAX);
    }
    console_flush();
    uint32_t got = sysctl_cpu_set_freq((uint32_t)freq);
    console_set_baud(MICROPY_HW_CONSOLE_BAUD);
    if (!got) {
        mp_raise_ValueError(MP_ERROR_TEXT("the PLL cannot make that frequency"));
    }
}

static void mp_machine_idle(void) {
    mp_event_wait_ms(1);
}

// The clocks keep running: the K210 has no state between running and off.
static void mp_machine_lightsleep(size_t n_args, const mp_obj_t *args) {
    if (n_args == 0) {
        mp_event_wait_indefinite();
    } else {
        mp_hal_delay_ms(mp_obj_get_int(args[0]));
    }
}

NORETURN static void mp_machine_deepsleep(size_t n_args, const mp_obj_t *args) {
    mp_machine_lightsleep(n_args, args);
    mp_machine_reset();
}
