"""Measurements of the virtual board: `python -m benchmarks` prints them and writes docs/benchmarks.md."""

import sys
from pathlib import Path

# Networks, and how near they are, are the tests'.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests/unit"))
