"""The flasher's functions on the fake chip, without faults on the line."""

from __future__ import annotations

import json
import random
import struct

import fake_chip
import pytest
from fake_chip import Chip, FakeFlash
from flasher_jobs import FILES, FIRMWARE, MODEL, Record, holds, own_cache_and_stub  # noqa: F401

import k210kit
from k210kit import flasher
from k210kit.errors import DeviceError, K210Error
from k210kit.flasher import stub_frames
from k210kit.images import header, kfpkg

ALL_CIRCUITS = ["dan", "bit", "trainer", "kd233", "goE", "maixduino", "bit_mic", "goD"]


def with_firmware(**options) -> Chip:
    """A board on which firmware runs, so that only its reset circuit leads to the ROM."""
    flash = FakeFlash()
    flash.data[: len(header.wrap(FIRMWARE))] = header.wrap(FIRMWARE)
    return Chip(flash=flash, **options)


def test_firmware_and_model_are_on_an_erased_chip_and_the_board_runs():
    chip, record = Chip(), Record()
    k210kit.flash(fake_chip.line(chip), FILES, report=record)
    assert holds(chip, FILES)
    assert chip.mode == "firmware"
    assert record.done == record.totals
    ((plan, on_the_line),) = record.plans
    assert [part.now for part in plan.parts] == ["erased", "erased"]
    assert on_the_line < len(FIRMWARE) + len(MODEL)


def test_the_same_again_sends_nothing():
    chip = Chip()
    flasher.flash(fake_chip.line(chip), FILES)
    line, erased = fake_chip.line(chip), chip.flash.sectors_erased
    plan = flasher.flash(line, FILES)
    assert plan.size == 0
    assert chip.flash.sectors_erased == erased
    assert line.sent < len(fake_chip.STUB) * 1.2 + 500
    assert chip.mode == "firmware"


def test_only_sectors_that_differ_are_sent_and_touched():
    chip = Chip()
    flasher.flash(fake_chip.line(chip), FILES)
    changed = bytearray(MODEL)
    changed[5000] ^= 1
    chip.flash.touched.clear()
    plan = flasher.flash(fake_chip.line(chip), {0: FIRMWARE, 0x300000: bytes(changed)})
    assert plan.size == 4096
    assert chip.flash.touched == {0x301000}
    assert holds(chip, {0: FIRMWARE, 0x300000: bytes(changed)})


def test_sector_0_is_written_when_all_else_is_verified():
    chip = Chip()
    flasher.flash(fake_chip.line(chip), FILES)
    writes = [struct.unpack_from("<I", body)[0] for operation, body in chip.requests if operation == stub_frames.WRITE]
    assert writes[-1] == 0 and writes.count(0) == 1
    last_write = max(n for n, (operation, _) in enumerate(chip.requests) if operation == stub_frames.WRITE)
    hashed = [body for operation, body in chip.requests[:last_write] if operation == stub_frames.HASH]
    assert struct.pack("<III", 0x300000, len(MODEL), len(MODEL)) in hashed[2:]


@pytest.mark.parametrize("offset", [0x300010, 0x300FFF, 0x301001])
def test_an_offset_within_a_sector_leaves_its_neighbours(offset):
    chip, record = Chip(), Record()
    chip.flash.data[0x300000:0x320000] = random.Random(5).randbytes(0x20000)
    before = bytes(chip.flash.data)
    flasher.flash(fake_chip.line(chip), {offset: MODEL}, report=record)
    wanted = before[:offset] + MODEL + before[offset + len(MODEL) :]
    assert bytes(chip.flash.data) == wanted
    assert "read and written back" in record.notes[-1]


@pytest.mark.parametrize("circuit", ALL_CIRCUITS)
def test_every_reset_circuit_is_found_named_and_remembered(circuit, tmp_path):
    chip, record = with_firmware(circuit=circuit), Record()
    flasher.flash_id(fake_chip.line(chip), report=record)
    (note,) = record.notes
    assert circuit in note
    (name,) = json.loads((tmp_path / "cache/k210kit/reset_circuits.json").read_text()).values()
    begun = chip.clock.now()
    again = Record()
    flasher.flash_id(fake_chip.line(chip), report=again)
    assert again.notes == []
    assert name in ("dan", "kd233", "goD")
    assert chip.clock.now() - begun < 3


def test_the_named_circuit_alone_is_tried():
    with pytest.raises(DeviceError, match="reset circuit kd233"):
        flasher.flash_id(fake_chip.line(with_firmware(circuit="dan")), reset_circuit="maixduino")
    assert flasher.flash_id(fake_chip.line(with_firmware(circuit="maixduino")), reset_circuit="kd233").size == 16 << 20
    with pytest.raises(K210Error, match="no reset circuit 'esp32'; known are dan, bit"):
        flasher.flash_id(fake_chip.line(Chip()), reset_circuit="esp32")


def test_without_dtr_and_rts_a_board_in_download_mode_is_flashed():
    chip = Chip(circuit="none")
    chip.into_download()
    flasher.flash(fake_chip.line(chip, control=False), FILES)
    assert holds(chip, FILES)
    assert chip.mode == "firmware"


def test_by_hand_the_words_to_do_so_are_shown_and_the_keys_awaited():
    chip, record = with_firmware(circuit="none"), Record()
    start = chip.clock.now()
    advance = chip.advance

    def pressed_after_7_seconds() -> None:
        advance()
        if chip.clock.now() > start + 7 and chip.mode == "firmware":
            chip.into_download()

    chip.advance = pressed_after_7_seconds  # type: ignore[method-assign]
    flasher.flash(fake_chip.line(chip), {0x300000: MODEL}, no_reset=True, start=False, report=record)
    assert "hold the BOOT key down, press and release RESET" in record.notes[0]
    assert holds(chip, {0x300000: MODEL})


def test_a_stub_that_was_left_running_is_used_again():
    chip = Chip(circuit="none")
    chip.into_download()
    flasher.flash_id(fake_chip.line(chip, control=False), start=False)
    assert chip.mode == "stub"
    requests = len(chip.requests)
    flasher.flash(fake_chip.line(chip, control=False), FILES)
    assert holds(chip, FILES)
    assert len(chip.requests) > requests


def test_a_rate_that_the_stub_or_the_chip_cannot_do_leads_to_a_slower_one():
    chip, record = Chip(highest_baud=1_000_000), Record()
    flasher.flash(fake_chip.line(chip), FILES, baud=3_000_000, report=record)
    assert holds(chip, FILES)
    assert [note for note in record.notes if "no answer at" in note] == [
        f"no answer at {baud} baud, trying a slower rate" for baud in (3_000_000, 2_000_000, 1_500_000)
    ]


def test_verify_tells_what_differs_and_writes_nothing():
    chip = Chip()
    flasher.flash(fake_chip.line(chip), FILES)
    assert flasher.verify(fake_chip.line(chip), FILES) == []
    chip.flash.data[0x302345] ^= 4
    touched = chip.flash.pages_programmed
    (difference,) = flasher.verify(fake_chip.line(chip), FILES)
    assert (difference.offsets, difference.sectors) == ((0x302000,), 18)
    assert chip.flash.pages_programmed == touched


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (3, 70_000), (0xFFFFFF, 1), (0x300000, 0x20000)])
def test_read_gives_the_bytes(offset, size):
    chip = Chip()
    chip.flash.data[:0x20000] = random.Random(6).randbytes(0x20000)
    assert flasher.read_flash(fake_chip.line(chip), offset, size) == chip.flash.data[offset : offset + size]


def test_erase_region_and_erase_flash():
    chip, record = Chip(), Record()
    flasher.flash(fake_chip.line(chip), FILES)
    flasher.erase_region(fake_chip.line(chip), 0x301000, 0x2000)
    assert chip.flash.data[0x301000:0x303000] == b"\xff" * 0x2000
    assert chip.flash.data[0x303000:0x303100] == MODEL[0x3000:0x3100]
    assert chip.mode == "firmware"
    assert flasher.erase_flash(fake_chip.line(chip), report=record) == 16 << 20
    assert chip.flash.data.count(0xFF) == 16 << 20
    assert chip.mode == "rom"
    assert record.done["erase"] == 16 << 20
    with pytest.raises(K210Error, match="the sectors around are 0x2000 bytes at 0x1000") as caught:
        flasher.erase_region(fake_chip.line(chip), 0x1800, 0x1000)
    assert caught.value.exit_status == 2


def test_a_model_over_the_firmware_on_the_board_is_refused():
    chip = Chip()
    flasher.flash(fake_chip.line(chip), {0: FIRMWARE})
    with pytest.raises(K210Error, match=f"ends at {len(header.wrap(FIRMWARE)):#x}; give an offset from 0x300000"):
        flasher.flash(fake_chip.line(chip), {0x10000: MODEL})
    flasher.flash(fake_chip.line(chip), {0x10000: MODEL}, force=True)
    assert chip.flash.data[0x10000 : 0x10000 + len(MODEL)] == MODEL


def test_a_smaller_chip_ends_earlier():
    chip = Chip(flash=FakeFlash(8 << 20, b"\xc8\x60\x17"))
    assert flasher.flash_id(fake_chip.line(chip)).jedec == b"\xc8\x60\x17"
    with pytest.raises(K210Error, match="the chip ends at 0x800000"):
        flasher.flash(fake_chip.line(chip), {0x7F8000: MODEL})
    assert chip.flash.touched == set()
    with pytest.raises(K210Error, match="0x10 bytes at 0x800000 are not within the chip"):
        flasher.read_flash(fake_chip.line(chip), 0x800000, 0x10)


def test_an_interrupted_write_is_finished_with_what_is_missing():
    chip = Chip()

    class Impatient(Record):
        def advance(self, name: str, size: int) -> None:
            super().advance(name, size)
            if self.done.get("70003 bytes", 0) >= 0x4000:
                raise KeyboardInterrupt

    record = Impatient()
    with pytest.raises(KeyboardInterrupt):
        flasher.flash(fake_chip.line(chip), FILES, report=record)
    assert any("the same command writes what is missing" in note for note in record.notes)
    assert chip.mode == "rom"  # half a firmware does not start
    done = {at for at in range(0x300000, 0x300000 + len(MODEL), 4096) if at in chip.flash.touched}
    again = flasher.flash(fake_chip.line(chip), FILES)
    assert holds(chip, FILES)
    assert not done & set(again.sectors)
    assert 0 < again.size < len(FIRMWARE) + len(MODEL)


def test_an_old_firmware_is_never_half_new():
    """Between the first sector and the last the ROM finds nothing to start."""
    chip = Chip()
    flasher.flash(fake_chip.line(chip), {0: FIRMWARE})
    new = bytes(byte ^ 0x55 for byte in FIRMWARE)
    starts = []

    class Watching(Record):
        def advance(self, name: str, size: int) -> None:
            if name != "stub":
                try:
                    starts.append(header.unwrap(bytes(chip.flash.data[:100_000])))
                except header.HeaderError:
                    starts.append(None)

    flasher.flash(fake_chip.line(chip), {0: new}, report=Watching())
    assert set(starts[:-1]) == {None}
    assert starts[-1] == new


def test_a_kfpkg_alone(tmp_path):
    entries = [kfpkg.Entry(0, "fw.bin", FIRMWARE, True), kfpkg.Entry(0x300000, "m.kmodel", MODEL, False)]
    path = tmp_path / "all.kfpkg"
    path.write_bytes(kfpkg.write(entries))
    chip, record = Chip(), Record()
    flasher.flash(fake_chip.line(chip), {0: str(path)}, report=record)
    assert holds(chip, FILES)
    assert set(record.totals) == {"stub", "all.kfpkg:fw.bin", "all.kfpkg:m.kmodel"}


# ---- What the flash refuses


def test_no_flash_chip_answers():
    chip = Chip()
    chip.flash.answers = False
    with pytest.raises(DeviceError, match=r"no flash chip answers \(id ffffff\)"):
        flasher.flash(fake_chip.line(chip), FILES)


def test_a_protected_chip_says_so():
    chip = Chip()
    chip.flash.protected = True
    with pytest.raises(DeviceError, match=r"write-protected .* 7c 02 00"):
        flasher.flash(fake_chip.line(chip), FILES)
    with pytest.raises(DeviceError, match="write-protected"):
        flasher.erase_flash(fake_chip.line(chip))


def test_a_worn_sector_is_named():
    chip = Chip()
    chip.flash.worn = {0x305000}
    with pytest.raises(DeviceError, match="does not read back at 0x305000"):
        flasher.flash(fake_chip.line(chip), FILES)
    assert chip.mode != "firmware"


def test_a_silent_change_after_the_write_is_seen_and_mended():
    chip, record = Chip(), Record()
    answered, forgotten = chip._write, []

    def forgetful(number, body):
        result = yield from answered(number, body)
        if struct.unpack_from("<I", body)[0] == 0x310000 and not forgotten:
            forgotten.append(True)
            chip.flash.data[0x310100] ^= 8
        return result

    chip._write = forgetful  # type: ignore[method-assign]
    flasher.flash(fake_chip.line(chip), FILES, report=record)
    assert "1 sectors do not hold what was written; once more" in record.notes[-1]
    assert holds(chip, FILES)


def test_another_version_of_the_protocol_is_refused():
    chip = Chip()

    def newer(number, body):
        yield 0.0
        return stub_frames.DONE, struct.pack("<HIBI", 9, 65545, 2, 115200)

    chip._hello = newer  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match="speaks version 9 of the protocol"):
        flasher.flash_id(fake_chip.line(chip))


def test_reset_starts_the_board():
    chip = with_firmware(circuit="kd233")
    flasher.flash(fake_chip.line(chip), FILES)
    chip.into_download()
    assert chip.mode == "rom"
    assert flasher.reset_board(fake_chip.line(chip)) == ["kd233"]
    chip.clock.sleep(1)
    chip.advance()
    assert chip.mode == "firmware"
    assert flasher.reset_board(fake_chip.line(chip, name="never seen")) == ["dan", "kd233", "goD"]
    with pytest.raises(DeviceError, match="press its RESET key"):
        flasher.reset_board(fake_chip.line(chip, control=False))
