"""Parts outside the chip: flash, SD card, panel, buttons, serial peers."""
