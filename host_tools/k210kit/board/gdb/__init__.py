"""A debugger's way in: the gdb remote serial protocol over TCP.

Protocol: "Remote Serial Protocol" and "RISC-V Features" in the manual of gdb.
"""
