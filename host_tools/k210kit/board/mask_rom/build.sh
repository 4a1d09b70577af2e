#!/bin/sh
# Build entry_points.elf with Debian's gcc-riscv64-unknown-elf.
set -e
cd "$(dirname "$0")"
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
for name in entry_points download; do
    riscv64-unknown-elf-gcc -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -msmall-data-limit=0 -Os -Wall -Wextra -Werror \
        -ffreestanding -fno-jump-tables -fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables \
        -c -o "$objects/$name.o" $name.c
done
riscv64-unknown-elf-gcc -nostdlib -Wl,-T,entry_points.ld -Wl,--build-id=none -Wl,-n -Wl,--no-warn-rwx-segments -s \
    -o entry_points.elf "$objects/entry_points.o" "$objects/download.o"
