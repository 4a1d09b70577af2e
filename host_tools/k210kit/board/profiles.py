"""Boards as data: which part hangs on which pads.

Sources. Maix Dock, Bit, Maixduino, CanMV: the vendor's demos and MaixPy's configuration for them. KD233: the vendor's
board_config.h (its panel wants MADCTL's BGR bit). Amigo, M5StickV and WonderK: board.py of selfcustody/MaixPy. Cube,
TZT, WonderMV, Embed Fire, Yahboom, and all panels' inversion: what Krux' released images set in the FPIOA and on the
panel, so that a right Krux picture is no proof of them. HuskyLens: the FPIOA settings of its firmware. Yahboom's
developer kit: its course images. Not verified: M5StickV's glass offset, and the power chip and its pads on Cube.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from k210kit.board.parts.lcd_panel import COLUMNS, LANDSCAPE, ROWS
from k210kit.errors import K210Error


@dataclass(frozen=True)
class SpiPads:
    """Pads of a part on an SPI bus; None where the part has no such wire to a pad."""

    sclk: int
    cs: int
    mosi: int | None = None
    miso: int | None = None


@dataclass(frozen=True)
class I2cPads:
    """A part by name (board.I2C_PARTS) and the pads of its bus."""

    part: str
    sclk: int
    sda: int


@dataclass(frozen=True)
class CameraPads:
    """Pads of the camera module; its eight data lines are SPI0's."""

    pclk: int = 47
    xclk: int = 46
    href: int = 45
    power_down: int = 44
    vsync: int = 43
    reset: int = 42
    sccb_sclk: int = 41
    sccb_sda: int = 40


@dataclass(frozen=True)
class Profile:
    """A board: console, card slot, panel, keys, parts on I2C, and where a camera goes.

    `lcd.mosi` is the data pad of a serial panel; without it the panel hangs on SPI0's eight data lines. The rest of
    `lcd_*` is as LcdPanel takes it: `lcd_upright` is the MADCTL value for an upright picture, `lcd_glass` the visible
    part, `lcd_memory` the frame memory's columns and rows. `sensor` names the camera's chip (camera_socket.SENSORS).
    """

    console_rx: int = 4
    console_tx: int = 5
    sd: SpiPads = SpiPads(sclk=27, cs=29, mosi=28, miso=26)
    lcd: SpiPads = SpiPads(sclk=39, cs=36)
    lcd_dc: int = 38
    lcd_reset: int | None = 37
    lcd_ips: bool = False
    lcd_bgr: bool = False
    lcd_upright: int = LANDSCAPE
    lcd_glass: tuple[int, int, int, int] | None = None
    lcd_memory: tuple[int, int] = (COLUMNS, ROWS)
    camera: CameraPads = CameraPads()
    sensor: str = "ov2640"
    i2c: tuple[I2cPads, ...] = ()
    reset_circuit: str = "dan"
    buttons: dict[str, int] = field(default_factory=lambda: {"boot": 16})


PROFILES = {
    "maix_dock": Profile(),
    "maix_bit": Profile(reset_circuit="bit"),
    "maixduino": Profile(reset_circuit="goE"),
    "canmv": Profile(lcd_ips=True, reset_circuit="dan"),
    "yahboom_kit": Profile(lcd_upright=0x60, buttons={"boot": 16, "left": 1, "middle": 2, "right": 3}),
    "kd233": Profile(
        sd=SpiPads(sclk=29, cs=32, mosi=30, miso=31),
        lcd=SpiPads(sclk=7, cs=6),
        lcd_dc=8,
        lcd_reset=None,
        lcd_bgr=True,
        lcd_upright=0x20,
        camera=CameraPads(pclk=15, xclk=14, href=17, power_down=13, vsync=12, reset=11, sccb_sclk=10, sccb_sda=9),
        sensor="ov5640",
        reset_circuit="kd233",
        buttons={"boot": 16, "key": 26},
    ),
    "amigo": Profile(
        sd=SpiPads(sclk=11, cs=26, mosi=10, miso=6),
        lcd_ips=True,
        lcd_bgr=True,
        lcd_upright=0x28,
        lcd_memory=(320, 480),
        buttons={"boot": 16, "a": 16, "b": 20, "c": 23},
        i2c=(I2cPads("axp173", 24, 27), I2cPads("ft6x36", 24, 27)),
    ),
    "cube": Profile(
        lcd_ips=True,
        lcd_upright=0x60,
        lcd_glass=(0, 0, 240, 240),
        buttons={"boot": 16, "a": 10, "b": 11, "c": 16},
        i2c=(I2cPads("axp173", 30, 31),),
    ),
    "m5stickv": Profile(
        sd=SpiPads(sclk=30, cs=32, mosi=33, miso=31),
        lcd=SpiPads(sclk=19, cs=22, mosi=18),
        lcd_dc=20,
        lcd_reset=21,
        lcd_ips=True,
        lcd_upright=0x60,
        lcd_glass=(40, 53, 240, 135),
        buttons={"boot": 16, "a": 36, "b": 37},
        i2c=(I2cPads("axp192", 28, 29),),
    ),
    "tzt": Profile(
        sd=SpiPads(sclk=34, cs=32, mosi=33, miso=35),
        lcd=SpiPads(sclk=36, cs=38),
        lcd_dc=37,
        lcd_reset=39,
        lcd_ips=True,
        buttons={"boot": 16, "a": 16, "b": 12, "c": 11},
        i2c=(I2cPads("ft6x36", 24, 25),),
    ),
    "wonder_mv": Profile(
        sd=SpiPads(sclk=29, cs=32, mosi=30, miso=31),
        lcd=SpiPads(sclk=7, cs=6),
        lcd_dc=8,
        lcd_reset=21,
        lcd_ips=True,
        buttons={"boot": 16, "a": 26, "b": 47},
        i2c=(I2cPads("ft6x36", 18, 19),),
    ),
    "wonder_k": Profile(
        sd=SpiPads(sclk=32, cs=30, mosi=33, miso=35),
        lcd=SpiPads(sclk=39, cs=38),
        lcd_dc=37,
        lcd_reset=36,
        buttons={"boot": 16, "a": 25, "b": 31},
    ),
    "embed_fire": Profile(
        sd=SpiPads(sclk=8, cs=6, mosi=7, miso=9),
        lcd=SpiPads(sclk=26, cs=28),
        lcd_dc=27,
        lcd_reset=29,
        lcd_ips=True,
        buttons={"boot": 16, "b": 16},
    ),
    "yahboom": Profile(
        sd=SpiPads(sclk=32, cs=34, mosi=35, miso=33),
        lcd=SpiPads(sclk=28, cs=30),
        lcd_dc=31,
        lcd_reset=23,
        lcd_ips=True,
        buttons={"boot": 16, "a": 16, "b": 17},
        i2c=(I2cPads("ft6x36", 24, 25),),
    ),
    "huskylens": Profile(
        sd=SpiPads(sclk=27, cs=29, mosi=28, miso=26),
        lcd=SpiPads(sclk=20, cs=19, mosi=21),
        lcd_dc=22,
        lcd_reset=None,
    ),
}


def find(name: str) -> Profile:
    """The profile of that name. Raises K210Error that lists the known ones."""
    if name not in PROFILES:
        raise K210Error(f"there is no board {name!r}; known are {', '.join(PROFILES)}")
    return PROFILES[name]
