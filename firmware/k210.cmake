# The library `k210` and k210_add_image(), for every build of code that runs on
# the chip.

cmake_path(ABSOLUTE_PATH CMAKE_CURRENT_LIST_DIR NORMALIZE OUTPUT_VARIABLE
           K210_DIR)
cmake_path(GET K210_DIR PARENT_PATH K210_ROOT)

add_library(
  k210 STATIC
  ${K210_DIR}/startup/crt.S
  ${K210_DIR}/src/aes.c
  ${K210_DIR}/src/bsp.c
  ${K210_DIR}/src/clint.c
  ${K210_DIR}/src/core1.c
  ${K210_DIR}/src/crash.c
  ${K210_DIR}/src/dmac.c
  ${K210_DIR}/src/fft.c
  ${K210_DIR}/src/fpioa.c
  ${K210_DIR}/src/gpio.c
  ${K210_DIR}/src/gpiohs.c
  ${K210_DIR}/src/i2c.c
  ${K210_DIR}/src/i2c_lines.c
  ${K210_DIR}/src/i2s.c
  ${K210_DIR}/src/iomem.c
  ${K210_DIR}/src/kpu.c
  ${K210_DIR}/src/memory.c
  ${K210_DIR}/src/misaligned.c
  ${K210_DIR}/src/plic.c
  ${K210_DIR}/src/pwm.c
  ${K210_DIR}/src/rtc.c
  ${K210_DIR}/src/sdcard.c
  ${K210_DIR}/src/sha256.c
  ${K210_DIR}/src/spi.c
  ${K210_DIR}/src/sysctl.c
  ${K210_DIR}/src/timer.c
  ${K210_DIR}/src/trap.c
  ${K210_DIR}/src/uart.c
  ${K210_DIR}/src/uarths.c
  ${K210_DIR}/src/w25qxx.c
  ${K210_DIR}/src/wdt.c)
target_include_directories(k210 PUBLIC ${K210_DIR}/include)
target_compile_features(k210 PUBLIC c_std_11)
# The same source gives the same image, whatever directory it lies in.
target_compile_options(
  k210
  PUBLIC -march=rv64imafdc_zicsr_zifencei
         -mabi=lp64d
         -mcmodel=medany
         --specs=picolibc.specs
         -ffile-prefix-map=${K210_ROOT}/=
         -ffile-prefix-map=${CMAKE_BINARY_DIR}=build
         -ffunction-sections
         -fdata-sections
         # For the chain of return addresses after a crash.
         -fno-omit-frame-pointer
         # Rocket traps every access that is not aligned.
         -mstrict-align
         $<$<COMPILE_LANGUAGE:C>:-g>)
target_compile_options(k210 PRIVATE -Wall -Wextra -Werror)
# What every transfer and every look at the time goes through.
set_property(
  SOURCE ${K210_DIR}/src/dmac.c ${K210_DIR}/src/kpu.c ${K210_DIR}/src/sdcard.c
         ${K210_DIR}/src/spi.c ${K210_DIR}/src/sysctl.c
  APPEND
  PROPERTY COMPILE_OPTIONS -O2)
# Its loops are not to become calls of themselves.
set_property(
  SOURCE ${K210_DIR}/src/memory.c
  APPEND
  PROPERTY COMPILE_OPTIONS -O2 -fno-builtin -fno-tree-loop-distribute-patterns)
target_link_options(
  k210
  PUBLIC
  -march=rv64imafdc_zicsr_zifencei
  -mabi=lp64d
  -mcmodel=medany
  --specs=picolibc.specs
  -DPICOLIBC_INTEGER_PRINTF_SCANF
  -nostartfiles
  -T${K210_DIR}/startup/link.ld
  -Wl,--gc-sections
  -Wl,--build-id=none
  -Wl,--no-warn-rwx-segments
  -Wl,-u,_start)

# k210_add_image(NAME SOURCE...): NAME.elf and NAME.bin in the build directory.
function(k210_add_image name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE k210)
  set_target_properties(
    ${name} PROPERTIES SUFFIX .elf LINK_DEPENDS ${K210_DIR}/startup/link.ld)
  add_custom_command(
    TARGET ${name}
    POST_BUILD
    COMMAND ${CMAKE_OBJCOPY} -O binary $<TARGET_FILE:${name}> ${name}.bin
    BYPRODUCTS ${name}.bin
    VERBATIM)
endfunction()
