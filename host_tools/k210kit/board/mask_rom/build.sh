#!/bin/sh
# Build entry_points.elf with Debian's gcc-riscv64-unknown-elf.
set -e
cd "$(dirname "$0")"
riscv64-unknown-elf-gcc -march=rv64imac -mabi=lp64 -mcmodel=medany -msmall-data-limit=0 -Os -Wall -Wextra -Werror \
    -ffreestanding -fno-jump-tables -fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables -nostdlib \
    -Wl,-T,entry_points.ld -Wl,--build-id=none -Wl,-n -Wl,--no-warn-rwx-segments -s -o entry_points.elf entry_points.c
