# What the firmware is made of besides MicroPython's core.

set(MICROPY_SOURCE_SHARED
    ${MICROPY_DIR}/shared/readline/readline.c
    ${MICROPY_DIR}/shared/runtime/gchelper_native.c
    ${MICROPY_DIR}/shared/runtime/interrupt_char.c
    ${MICROPY_DIR}/shared/runtime/mpirq.c
    ${MICROPY_DIR}/shared/runtime/pyexec.c
    ${MICROPY_DIR}/shared/runtime/softtimer.c
    ${MICROPY_DIR}/shared/runtime/stdout_helpers.c
    ${MICROPY_DIR}/shared/timeutils/timeutils.c)

set(MICROPY_SOURCE_LIB
    ${MICROPY_DIR}/drivers/bus/softspi.c
    ${MICROPY_DIR}/drivers/dht/dht.c
    ${MICROPY_DIR}/lib/littlefs/lfs1.c
    ${MICROPY_DIR}/lib/littlefs/lfs1_util.c
    ${MICROPY_DIR}/lib/littlefs/lfs2.c
    ${MICROPY_DIR}/lib/littlefs/lfs2_util.c
    ${MICROPY_DIR}/lib/oofatfs/ff.c
    ${MICROPY_DIR}/lib/oofatfs/ffunicode.c
    # picolibc's errs by hundreds of units in the last place.
    ${MICROPY_DIR}/lib/libm_dbl/__cos.c
    ${MICROPY_DIR}/lib/libm_dbl/__sin.c
    ${MICROPY_DIR}/lib/libm_dbl/tgamma.c
    ${MICROPY_DIR}/shared/runtime/gchelper_rv64i.s)

set(MICROPY_SOURCE_PORT
    ${MICROPY_PORT_DIR}/console.c
    ${MICROPY_PORT_DIR}/digest.c
    ${MICROPY_PORT_DIR}/dma_memory.c
    ${MICROPY_PORT_DIR}/fatfs_port.c
    ${MICROPY_PORT_DIR}/k210_flash.c
    ${MICROPY_PORT_DIR}/libm_exp.c
    ${MICROPY_PORT_DIR}/littlefs_access.c
    ${MICROPY_PORT_DIR}/machine_bitstream.c
    ${MICROPY_PORT_DIR}/machine_i2c.c
    ${MICROPY_PORT_DIR}/machine_pin.c
    ${MICROPY_PORT_DIR}/machine_pin_irq.c
    ${MICROPY_PORT_DIR}/machine_rtc.c
    ${MICROPY_PORT_DIR}/machine_sdcard.c
    ${MICROPY_PORT_DIR}/machine_spi.c
    ${MICROPY_PORT_DIR}/machine_timer.c
    ${MICROPY_PORT_DIR}/main.c
    ${MICROPY_PORT_DIR}/modcryptolib.c
    ${MICROPY_PORT_DIR}/modhashlib.c
    ${MICROPY_PORT_DIR}/modk210.c
    ${MICROPY_PORT_DIR}/mphalport.c
    ${MICROPY_PORT_DIR}/mpthreadport.c
    ${MICROPY_PORT_DIR}/pin_channels.c
    ${MICROPY_PORT_DIR}/random_pool.c
    ${MICROPY_PORT_DIR}/sys_stdio.c)

# Compiled as part of a file of extmod, scanned for names all the same.
set(MICROPY_SOURCE_INCLUDED
    ${MICROPY_PORT_DIR}/machine_i2s.c
    ${MICROPY_PORT_DIR}/machine_pwm.c
    ${MICROPY_PORT_DIR}/machine_uart.c
    ${MICROPY_PORT_DIR}/machine_wdt.c
    ${MICROPY_PORT_DIR}/modmachine.c
    ${MICROPY_PORT_DIR}/modos.c
    ${MICROPY_PORT_DIR}/modtime.c)
