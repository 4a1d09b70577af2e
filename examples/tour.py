"""A tour of the board: runs as it is on every K210 board with this firmware."""

import gc
import hashlib
import os
import sys
import time

import machine

print("MicroPython", ".".join(str(n) for n in sys.implementation.version[:3]), "on", os.uname().machine)
print("CPU", machine.freq() // 1000000, "MHz,", gc.mem_free() // 1024, "KiB of memory free")

data = bytes(range(256)) * 1024
start = time.ticks_us()
digest = hashlib.sha256(data).digest()
took = time.ticks_diff(time.ticks_us(), start)
print("SHA-256 of", len(data) // 1024, "KiB in", took, "us:", digest.hex()[:16])

# One pad per line would blink a LED: machine.Pin("LED_B", machine.Pin.OUT).off()
for y in range(-10, 11, 2):
    line = ""
    for x in range(-40, 15):
        z, c = 0j, complex(x / 20, y / 9)
        n = 0
        while n < 23 and abs(z) <= 2:
            z = z * z + c
            n += 1
        line += " .:-=+*#%@"[n * 9 // 23]
    print(line)
