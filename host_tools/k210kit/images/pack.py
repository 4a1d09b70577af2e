"""`python -m k210kit.images.pack FIRMWARE.bin FIRMWARE.kfpkg`: what the firmware's build ends with."""

from __future__ import annotations

import sys
from pathlib import Path

from k210kit.images import kfpkg


def main() -> None:
    """Pack one raw firmware image for flash offset 0, where the boot header goes before it."""
    source, target = map(Path, sys.argv[1:])
    entry = kfpkg.Entry(address=0, name=source.name, data=source.read_bytes(), add_header=True)
    target.write_bytes(kfpkg.write([entry]))


if __name__ == "__main__":
    main()
