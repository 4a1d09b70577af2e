"""Boards as data: which part hangs on which pads.

Pads: schematics of the Sipeed Maix series as the vendor's demos and MaixPy's board files use them; the vendor's
KD233 as its demos do (board_config.h with BOARD_KD233; its panel wants MADCTL's BGR bit).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from k210kit.board.parts.lcd_panel import LANDSCAPE
from k210kit.errors import K210Error


@dataclass(frozen=True)
class SpiPads:
    """Pads of a part on an SPI bus; None where the part has no such wire to a pad."""

    sclk: int
    cs: int
    mosi: int | None = None
    miso: int | None = None


@dataclass(frozen=True)
class Profile:
    """A board: console, card slot, panel, keys. `lcd_upright` is the MADCTL value for an upright picture."""

    console_rx: int = 4
    console_tx: int = 5
    sd: SpiPads = SpiPads(sclk=27, cs=29, mosi=28, miso=26)
    lcd: SpiPads = SpiPads(sclk=39, cs=36)
    lcd_dc: int = 38
    lcd_reset: int | None = 37
    lcd_ips: bool = False
    lcd_bgr: bool = False
    lcd_upright: int = LANDSCAPE
    lcd_on_spi1: bool = False
    lcd_size: tuple[int, int] = (320, 240)
    reset_circuit: str = "dan"
    buttons: dict[str, int] = field(default_factory=lambda: {"boot": 16})


PROFILES = {
    "maix_dock": Profile(),
    "maix_bit": Profile(reset_circuit="bit"),
    "maixduino": Profile(reset_circuit="goE"),
    "canmv": Profile(reset_circuit="dan"),
    "kd233": Profile(
        sd=SpiPads(sclk=29, cs=32, mosi=30, miso=31),
        lcd=SpiPads(sclk=7, cs=6),
        lcd_dc=8,
        lcd_reset=None,
        lcd_bgr=True,
        lcd_upright=0x20,
        reset_circuit="kd233",
        buttons={"boot": 16, "key": 26},
    ),
}


def find(name: str) -> Profile:
    """The profile of that name. Raises K210Error that lists the known ones."""
    if name not in PROFILES:
        raise K210Error(f"there is no board {name!r}; known are {', '.join(PROFILES)}")
    return PROFILES[name]
