"""Measurements of the virtual board: `python -m benchmarks` prints them and writes docs/benchmarks.md."""
