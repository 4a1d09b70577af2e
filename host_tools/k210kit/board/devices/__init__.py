"""Devices of the chip, one file each; machine.py puts them at their addresses."""
