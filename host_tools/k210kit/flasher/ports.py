"""Which port: found by its USB id, or named; opened, or told why not."""

from __future__ import annotations

import errno
import os
import re
import time
from pathlib import Path
from typing import Any

from k210kit.errors import DeviceError, K210Error
from k210kit.flasher.line import FAILURES, READ_SECONDS, Line
from k210kit.flasher.rom import BAUD

USB_VENDORS = {0x1A86: "WCH", 0x0403: "FTDI", 0x067B: "Prolific", 0x10C4: "Silicon Labs", 0xC251: "CMSIS-DAP"}
"""Whose USB-serial chips the boards carry (the PyPI client `kflash` looks for the same)."""
WITHOUT_CONTROL = ("socket", "loop", "spy+socket")
"""URL schemes whose ports take DTR and RTS and do nothing with them."""

OPEN_TRIES, OPEN_SECONDS = 4, 0.5
"""For network ports."""
WRITE_SECONDS = 30
"""A port that takes nothing for so long is given up; 4 KiB need four of them at 9600 baud."""


def candidates() -> list[Any]:
    """pyserial's descriptions of the ports with a K210 board's kind of USB chip, in the order of their names."""
    from serial.tools import list_ports

    return sorted((port for port in list_ports.comports() if port.vid in USB_VENDORS), key=lambda port: port.device)


def choose() -> list[str]:
    """The ports to try when none is named: all of one USB device, as two-channel chips have two.

    Raises DeviceError when there is none, or when several devices could be meant.
    """
    found = candidates()
    if not found:
        raise DeviceError(
            "no port has the USB id of a board: plug the board in, or name its port with --port "
            f"(looked for {', '.join(f'{vendor:04x} {name}' for vendor, name in USB_VENDORS.items())})"
        )
    devices = {(port.vid, port.pid, port.serial_number, (port.location or "").partition(":")[0]) for port in found}
    if len(devices) > 1:
        raise DeviceError(f"several ports could be meant, name one with --port: {described(found)}")
    return [port.device for port in found]


def described(found: list[Any]) -> str:
    """Ports with their USB chip, for a message."""
    return ", ".join(f"{port.device} ({USB_VENDORS[port.vid]} {port.vid:04x}:{port.pid:04x})" for port in found)


def identity(port: str) -> str:
    """What stays the same when the board is plugged in elsewhere: USB ids and serial number, else the port's name."""
    for known in candidates():
        if known.device == port:
            return f"{known.vid:04x}:{known.pid:04x}:{known.serial_number or known.device}"
    return port


def open_line(port: str) -> Line:
    """Open a device or any URL that pyserial knows, at the ROM's rate. Raises DeviceError with the reason."""
    scheme = port.partition("://")[0] if "://" in port else ""
    for left in reversed(range(OPEN_TRIES if scheme else 1)):
        try:
            return Line(_opened(port, scheme), port, has_control=scheme not in WITHOUT_CONTROL, remote=bool(scheme))
        except FAILURES as error:
            # A server for one client may not have seen yet that the last one has gone.
            if not left or isinstance(error.__context__, ConnectionRefusedError):
                raise why_not(port, scheme, error) from None
            time.sleep(OPEN_SECONDS)
    raise AssertionError("the last try returns or raises")


def _opened(port: str, scheme: str) -> Any:
    import serial

    made = serial.serial_for_url(port, baudrate=BAUD, timeout=READ_SECONDS, do_not_open=True)
    if not scheme:
        made.write_timeout = WRITE_SECONDS
        made.exclusive = True if os.name == "posix" else None
    # Off before it is opened: with them on, some boards would not start.
    made.dtr = made.rts = False
    made.open()
    return made


def why_not(port: str, scheme: str, error: Exception) -> K210Error:
    """Why a port could not be opened, with the next step."""
    number = getattr(error, "errno", None)
    text = re.sub(r"^\[Errno \d+\] ", "", str(error))
    if scheme:
        return DeviceError(f"{port} cannot be opened: {text}; does anything listen there?")
    path = Path(port)
    if number == errno.ENOENT or (os.name == "posix" and not path.exists()):
        found = candidates()
        there = f"there are {described(found)}" if found else "no other has the USB id of a board; is it plugged in?"
        return DeviceError(f"there is no port {port}; {there}")
    if number == errno.EACCES or (os.name == "posix" and not os.access(path, os.R_OK | os.W_OK)):
        group = _group(path)
        return DeviceError(
            f"{port} may not be opened: it belongs to the group {group} and you are not in it; run "
            f"`sudo usermod -aG {group} $USER`, then log out and in"
        )
    holder = in_use_by(port)
    if holder or number in (errno.EBUSY, errno.EAGAIN) or "lock" in text:
        return DeviceError(f"{port} is in use by {holder or 'another process'}; end that and try again")
    return DeviceError(f"{port} cannot be opened as a serial port: {text}")


def _group(path: Path) -> str:
    try:
        import grp

        return grp.getgrgid(path.stat().st_gid).gr_name
    except (ImportError, KeyError, OSError):
        return "dialout"


def in_use_by(port: str) -> str:
    """ "process N (name)" of another process that has the port open, '' when none is seen (Linux only)."""
    try:
        wanted = os.path.realpath(port)
        processes = [entry for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()]
    except OSError:
        return ""
    for process in processes:
        folder = Path("/proc", process, "fd")
        try:
            if any(os.path.realpath(entry) == wanted for entry in folder.iterdir()):
                name = Path("/proc", process, "comm").read_text(encoding="utf-8").strip()
                return f"process {process} ({name})"
        except OSError:
            continue
    return ""
