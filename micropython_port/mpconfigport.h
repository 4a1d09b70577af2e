// What this port is made of: options of py/mpconfig.h that differ from its level's defaults.
#include <alloca.h>
#include <stddef.h>
#include <stdint.h>

#include "mpconfigboard.h"

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

#define MICROPY_HW_MCU_NAME "K210"
#define MICROPY_PY_SYS_PLATFORM "k210"

// The pads of the console, the same on every board: those of the mask ROM's download mode.
#ifndef MICROPY_HW_CONSOLE_RX
#define MICROPY_HW_CONSOLE_RX (4)
#define MICROPY_HW_CONSOLE_TX (5)
#endif
#ifndef MICROPY_HW_CONSOLE_BAUD
#define MICROPY_HW_CONSOLE_BAUD (115200)
#endif

// The nearest that the PLL reaches without passing the data sheet's 400 MHz.
#define MICROPY_HW_CPU_HZ (396500000)
#define MICROPY_HW_KPU_HZ (400000000)

// Memory. A heap of over 65,535 blocks of 32 bytes.
#define MICROPY_GC_STACK_ENTRY_TYPE uint32_t
#define MICROPY_ALLOC_GC_STACK_SIZE (1024)
#define MICROPY_ALLOC_PATH_MAX (256)
#define MICROPY_QSTR_BYTES_IN_HASH (2)
#define MICROPY_STACK_CHECK_MARGIN (2048)

// Language and runtime.
#define MICROPY_ENABLE_GC (1)
#define MICROPY_PERSISTENT_CODE_LOAD (1)
#define MICROPY_OPT_COMPUTED_GOTO (1)
#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_DOUBLE)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_READER_VFS (1)
#define MICROPY_SCHEDULER_DEPTH (16)
#define MICROPY_SCHEDULER_STATIC_NODES (1)
#define MICROPY_USE_INTERNAL_ERRNO (1)
#define MICROPY_TRACKED_ALLOC (1)
#define MICROPY_WARNINGS (1)
#define MICROPY_ENABLE_FINALISER (1)
#define MICROPY_MEM_STATS (1)
#define MICROPY_MALLOC_USES_ALLOCATED_SIZE (1)

// Of the levels above: what costs flash but no time.
#define MICROPY_ERROR_REPORTING (MICROPY_ERROR_REPORTING_DETAILED)
#define MICROPY_REPL_EMACS_WORDS_MOVE (1)
#define MICROPY_REPL_EMACS_EXTRA_WORDS_MOVE (1)
#define MICROPY_FLOAT_HIGH_QUALITY_HASH (1)
#define MICROPY_PY_ALL_INPLACE_SPECIAL_METHODS (1)
#define MICROPY_PY_BUILTINS_MEMORYVIEW_ITEMSIZE (1)
#define MICROPY_PY_BUILTINS_RANGE_BINOP (1)
#define MICROPY_PY_COLLECTIONS_NAMEDTUPLE__ASDICT (1)
#define MICROPY_PY_FUNCTION_ATTRS_CODE (1)
#define MICROPY_PY_GC_COLLECT_RETVAL (1)
#define MICROPY_PY_IO_BUFFEREDWRITER (1)
#define MICROPY_PY_MARSHAL (1)
#define MICROPY_PY_MICROPYTHON_HEAP_LOCKED (1)
#define MICROPY_PY_RE_DEBUG (1)
#define MICROPY_PY_STR_BYTES_CMP_WARN (1)
#define MICROPY_PY_SYS_EXC_INFO (1)
#define MICROPY_PY_SYS_GETSIZEOF (1)
#define MICROPY_PY_SYS_INTERN (1)
#define MICROPY_PY_SYS_TRACEBACKLIMIT (1)

// Threads take turns on hart 0 under the interpreter's lock; see mpthreadport.c.
#define MICROPY_PY_THREAD (1)
#define MICROPY_PY_THREAD_GIL (1)

// Modules.
#define MICROPY_EPOCH_IS_1970 (1)
#define MICROPY_PY_BUILTINS_HELP_TEXT k210_help_text
#define MICROPY_PY_OS_INCLUDEFILE "micropython_port/modos.c"
#define MICROPY_PY_OS_DUPTERM (1)
#define MICROPY_PY_OS_DUPTERM_NOTIFY (1)
#define MICROPY_PY_OS_SYNC (1)
#define MICROPY_PY_OS_UNAME (1)
#define MICROPY_PY_OS_URANDOM (1)
#define MICROPY_PY_RE_MATCH_GROUPS (1)
#define MICROPY_PY_RE_MATCH_SPAN_START_END (1)
#define MICROPY_PY_DEFLATE_COMPRESS (1)
// Ours, on the chip's blocks: modhashlib.c and modcryptolib.c.
#define MICROPY_PY_HASHLIB (0)
#define MICROPY_PY_CRYPTOLIB (0)
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS (1)
#define MICROPY_PY_TIME_INCLUDEFILE "micropython_port/modtime.c"
#define MICROPY_PY_RANDOM_SEED_INIT_FUNC (random_pool_u32())
#define MICROPY_PY_MACHINE (1)
#define MICROPY_PY_MACHINE_INCLUDEFILE "micropython_port/modmachine.c"
#define MICROPY_PY_MACHINE_RESET (1)
#define MICROPY_PY_MACHINE_BARE_METAL_FUNCS (1)
#define MICROPY_PY_MACHINE_DISABLE_IRQ_ENABLE_IRQ (1)
#define MICROPY_PY_MACHINE_BITSTREAM (1)
#define MICROPY_PY_MACHINE_DHT_READINTO (1)
#define MICROPY_PY_MACHINE_I2C (1)
#define MICROPY_PY_MACHINE_I2C_TRANSFER_WRITE1 (1)
#define MICROPY_PY_MACHINE_I2S (1)
#define MICROPY_PY_MACHINE_I2S_MCK (1)
#define MICROPY_PY_MACHINE_I2S_INCLUDEFILE "micropython_port/machine_i2s.c"
#define MICROPY_PY_MACHINE_PIN_MAKE_NEW mp_pin_make_new
#define MICROPY_PY_MACHINE_PULSE (1)
#define MICROPY_PY_MACHINE_SIGNAL (1)
#define MICROPY_PY_MACHINE_SOFTI2C (1)
#define MICROPY_PY_MACHINE_SOFTSPI (1)
#define MICROPY_PY_MACHINE_SPI (1)
#define MICROPY_PY_MACHINE_PWM (1)
#define MICROPY_PY_MACHINE_PWM_INCLUDEFILE "micropython_port/machine_pwm.c"
#define MICROPY_PY_MACHINE_UART (1)
#define MICROPY_PY_MACHINE_UART_IRQ (1)
#define MICROPY_PY_MACHINE_UART_SENDBREAK (1)
#define MICROPY_PY_MACHINE_UART_INCLUDEFILE "micropython_port/machine_uart.c"
#define MICROPY_PY_MACHINE_WDT (1)
#define MICROPY_PY_MACHINE_WDT_INCLUDEFILE "micropython_port/machine_wdt.c"
#define MICROPY_PY_ONEWIRE (1)

// File systems: littlefs in the flash, FAT on the card.
#define MICROPY_VFS (1)
#define MICROPY_VFS_LFS1 (1)
#define MICROPY_VFS_LFS2 (1)
#define MICROPY_VFS_FAT (1)
#define MICROPY_VFS_ROM (1)
#define MICROPY_VFS_ROM_IOCTL (0)
#define MICROPY_FATFS_ENABLE_LFN 2
#define MICROPY_FATFS_LFN_CODE_PAGE 437
#define MICROPY_FATFS_RPATH 2
#define MICROPY_FATFS_EXFAT 0

#define MP_STATE_PORT MP_STATE_VM
#define MP_SSIZE_MAX INT64_MAX
typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef intptr_t mp_off_t;

uint32_t random_pool_u32(void);
