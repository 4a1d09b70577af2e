"""Measures the file systems; runs on the board, virtual or not, with a card in it."""

import os
import time

import k210


def tell(what, size, start):
    """Print one rate."""
    took = time.ticks_diff(time.ticks_us(), start)
    print(f"rate of {what}: {size / took:.3f} MB/s")


def measure(folder, size):
    """Write and read a file in pieces of 16 KiB."""
    name = folder + "/measured.bin"
    piece = bytearray(bytes(range(256)) * 64)
    start = time.ticks_us()
    with open(name, "wb") as file:
        for _ in range(size // len(piece)):
            file.write(piece)
    tell(folder + " written", size, start)
    start = time.ticks_us()
    with open(name, "rb") as file:
        while file.readinto(piece):
            pass
    tell(folder + " read", size, start)
    os.remove(name)


measure("/flash", 256 * 1024)
measure("/sd", 1024 * 1024)
buffer = bytearray(1024 * 1024)
begin = time.ticks_us()
k210.Flash(start=0x300000).read(0, buffer)
tell("raw flash read", len(buffer), begin)
print("storage measured")
