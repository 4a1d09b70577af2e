"""Firmware files: raw images, the mask ROM's header, ELF, kfpkg."""
