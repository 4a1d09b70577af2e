"""Processor, memory, time: what every device stands on."""
