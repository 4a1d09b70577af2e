"""Firmware files: the boot header, kfpkg, ELF, what goes where in the flash."""

import hashlib
import io
import json
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k210kit.errors import K210Error
from k210kit.images import elf, flash_files, header, kfpkg


@given(st.binary(min_size=1, max_size=300), st.sampled_from([0, 2]))
def test_a_wrapped_payload_comes_back(payload, flags):
    image = header.wrap(payload, flags)
    assert image[0] == flags and int.from_bytes(image[1:5], "little") == len(payload)
    assert image[-32:] == hashlib.sha256(image[:-32]).digest()
    assert header.unwrap(image + b"\xff" * 7) == payload


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_flipped_bit_or_a_cut_is_refused(payload, data):
    image = bytearray(header.wrap(payload))
    if data.draw(st.booleans()):
        image[data.draw(st.integers(0, len(image) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del image[data.draw(st.integers(0, len(image) - 1)) :]
    with pytest.raises(header.HeaderError):
        header.unwrap(bytes(image))


@given(st.binary(max_size=200))
def test_no_bytes_upset_the_parsers(data):
    for parse in (header.unwrap, kfpkg.read, elf.parse):
        try:
            parse(data)
        except K210Error as error:
            assert str(error)


def test_messages_have_the_numbers():
    with pytest.raises(header.HeaderError, match="1000 bytes, but 45 bytes hold at most 8"):
        header.unwrap(struct.pack("<BI", 0, 1000) + bytes(40))
    with pytest.raises(header.HeaderError, match="AES-encrypted"):
        header.unwrap(bytes([1]) + bytes(50))


def package(listing, **files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("flash-list.json", listing)
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_kfpkg_with_plain_and_with_bare_hexadecimal_addresses():
    listing = '{"version": "0.1.0", "files": [{"address": 0, "bin": "a", "sha256Prefix": true},'
    listing += ' {"address": 0x00300000, "bin": "b", "sha256Prefix": false},]}'
    first, second = kfpkg.read(package(listing, a=b"code", b=b"model"))
    assert first.flash_data == header.wrap(b"code")
    assert (second.address, second.flash_data) == (0x300000, b"model")


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"files": 3}', "no list"),
        ('{"files": []}', "lists no file"),
        ('{"files": [{"address": 0, "bin": "nothere"}]}', "not in the kfpkg"),
        ('{"files": [{"address": "x", "bin": "a"}]}', "not a number"),
        ('{"files": [{"address": 16777216, "bin": "a"}]}', "outside the 16 MiB"),
    ],
)
def test_kfpkg_mistakes_are_named(listing, words):
    with pytest.raises(K210Error, match=words):
        kfpkg.read(package(listing, a=b"1"))


@given(st.binary(max_size=60))
def test_kfpkg_listing_fuzz(listing):
    try:
        kfpkg.read(package(listing, a=b"1"))
    except K210Error as error:
        assert str(error)


def small_elf(machine=elf.MACHINE_RISCV, physical=0x8000_0000, body=b"\x01\x00\x13\x00\x00\x00"):
    names = b"\0main\0"
    symbols = bytes(24) + struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0x8000_0002, 4)
    at = 64 + 56
    offsets = [at, at + len(body), at + len(body) + len(symbols)]
    sections_at = offsets[2] + len(names)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, physical, 64, sections_at, 0, 64, 56, 1, 64, 3, 0)
    program = struct.pack("<IIQQQQQQ", 1, 5, offsets[0], physical, physical, len(body), len(body), 4)
    sections = bytes(64)
    sections += struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, offsets[1], len(symbols), 2, 0, 8, 24)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, offsets[2], len(names), 0, 0, 1, 0)
    return ident + head + program + body + symbols + names + sections


def test_elf_segments_and_symbols():
    executable = elf.parse(small_elf())
    assert executable.flatten(0x8000_0000) == b"\x01\x00\x13\x00\x00\x00"
    assert executable.symbols.find(0x8000_0004) == "main+0x2"
    assert executable.symbols.find(0x8000_0000) == ""
    assert executable.symbols.address_of("main") == 0x8000_0002


def test_elf_mistakes_are_named():
    with pytest.raises(K210Error, match="machine 62, not for RISC-V"):
        elf.parse(small_elf(machine=62))
    with pytest.raises(K210Error, match="outside the SRAM"):
        elf.parse(small_elf(physical=0x2000_0000)).flatten(0x8000_0000)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (47, b"\x80"),  # section headers beyond the range of the host's own offsets
        (39, b"\xff"),  # the same for program headers
        (64 + 56 + 6 + 48 + 5, b"x"),  # a function's name without its end
    ],
)
def test_elf_with_damage_that_once_was_not_refused(at, value):
    image = bytearray(small_elf())
    image[at : at + len(value)] = value
    with pytest.raises(K210Error, match="damaged"):
        elf.parse(bytes(image))


@given(st.data())
def test_elf_with_any_damage_is_read_or_refused(data):
    image = bytearray(small_elf())
    for _ in range(data.draw(st.integers(1, 8))):
        image[data.draw(st.integers(4, len(image) - 1))] = data.draw(st.integers(0, 255))
    try:
        elf.parse(bytes(image[: data.draw(st.integers(0, len(image)))]))
    except K210Error as error:
        assert str(error)


def test_overlaps_and_ends_are_refused():
    flash_files.check_overlaps([(0, b"ab", "x"), (2, b"c", "y")], 16)
    with pytest.raises(K210Error, match=r"y at 0x1 overlaps x, which ends at 0x2; .* 0x1000"):
        flash_files.check_overlaps([(1, b"c", "y"), (0, b"ab", "x")], 16)
    with pytest.raises(K210Error, match="outside the flash of 0x10 bytes"):
        flash_files.check_overlaps([(15, b"ab", "x")], 16)


def test_a_file_is_told_by_its_content(tmp_path):
    raw = b"\x6f\x00\x00\x00"
    for name, data in (("raw.bin", raw), ("headed.bin", header.wrap(raw)), ("app.elf", small_elf(body=raw))):
        path = tmp_path / name
        path.write_bytes(data)
        assert flash_files.load(path).pieces == [(0, header.wrap(raw), str(path))]
    listing = json.dumps({"files": [{"address": 4096, "bin": "a", "sha256Prefix": True}]})
    (tmp_path / "p.kfpkg").write_bytes(package(listing, a=raw))
    assert flash_files.load(tmp_path / "p.kfpkg").pieces[0][:2] == (4096, header.wrap(raw))
    with pytest.raises(K210Error, match="cannot read"):
        flash_files.load(tmp_path / "missing.bin")


@given(
    st.lists(st.tuples(st.integers(0, (16 << 20) - 1), st.binary(max_size=50), st.booleans()), min_size=1, max_size=4)
)
def test_a_written_kfpkg_comes_back(items):
    entries = [kfpkg.Entry(address, f"{n}.bin", data, prefix) for n, (address, data, prefix) in enumerate(items)]
    package = kfpkg.write(entries)
    assert kfpkg.read(package) == entries
    assert kfpkg.write(entries) == package
