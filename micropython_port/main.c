// Start, the life of an interpreter, soft reset.

#include "py/builtin.h"
#include "py/compile.h"
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/readline/readline.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"
#include "shared/runtime/softtimer.h"

#include "bsp.h"
#include "clint.h"
#include "console.h"
#include "dmac.h"
#include "fpioa.h"
#include "machine_buses.h"
#include "machine_pin.h"
#include "machine_pin_board.h"
#include "machine_rtc.h"
#include "machine_spi.h"
#include "machine_timer.h"
#include "mpthreadport.h"
#include "plic.h"
#include "sysctl.h"
#include "trap.h"

// The pull-up against what a board and a finger have of capacity.
#define BOOT_KEY_SETTLE_US (50)

extern char _heap_start[], _heap_end[], _stack_end[], _stack_size[];

const char k210_help_text[] = "MicroPython for the Kendryte K210.\n"
                              "\n"
                              "/flash is the file system in the flash chip, /sd the card's when one is in at start.\n"
                              "Hold BOOT at reset to skip boot.py and main.py.\n"
                              "\n"
                              "CTRL-A  raw REPL        CTRL-B  normal REPL\n"
                              "CTRL-C  interrupts      CTRL-D  soft reset\n"
                              "CTRL-E  paste mode\n"
                              "\n"
                              "help(object) tells about an object, help('modules') lists the modules.\n";

static void chip_init(void) {
    sysctl_cpu_set_freq(MICROPY_HW_CPU_HZ);
    plic_init();
    clint_ipi_init();
    sysctl_enable_irq();
    dmac_init();
    fpioa_init();
    console_init();
    machine_rtc_start();
    soft_timer_init();
}

static bool is_boot_key_held(void) {
    mp_hal_pin_config(MICROPY_HW_PIN_BOOT_KEY, MP_HAL_PIN_MODE_INPUT, MP_HAL_PIN_PULL_UP, 0);
    bsp_sleep_us(BOOT_KEY_SETTLE_US);
    return !mp_hal_pin_read(MICROPY_HW_PIN_BOOT_KEY);
}

// Both return false when a soft reset was asked for.
static bool run_scripts(void) {
    int result = pyexec_file_if_exists("boot.py");
    if (!(result & PYEXEC_FORCED_EXIT) && pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL && result != 0) {
        result = pyexec_file_if_exists("main.py");
    }
    return !(result & PYEXEC_FORCED_EXIT);
}

static void run_repl(void) {
    while ((pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl()) == 0) {
    }
}

static void live(bool skips_scripts) {
    mp_init();
    readline_init0();
    pyexec_frozen_module("_boot.py", false);
    if (skips_scripts || run_scripts()) {
        run_repl();
    }
    mp_printf(MP_PYTHON_PRINTER, "MPY: soft reboot\n");
    mp_thread_deinit();
    soft_timer_deinit();
    machine_i2s_deinit_all();
    machine_i2c_deinit_all();
    machine_uart_deinit_all();
    machine_pin_deinit_all();
    machine_spi_deinit_all();
    machine_timer_deinit_all();
    machine_pwm_deinit_all();
    gc_sweep_all();
    mp_deinit();
}

int main(void) {
    chip_init();
    mp_thread_init();
    mp_cstack_init_with_top(_stack_end, (size_t)_stack_size);
    gc_init(_heap_start, _heap_end);
    live(is_boot_key_held());
    for (;;) {
        live(false);
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    mp_thread_gc_others();
    soft_timer_gc_mark_all();
    gc_collect_end();
}

void nlr_jump_fail(void *val) {
    mp_obj_print_exception(&mp_plat_print, MP_OBJ_FROM_PTR(val));
    crash_message("an exception that nothing catches");
}
