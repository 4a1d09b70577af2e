"""The image made of a folder, judged by mtools and fsck.fat where they are installed and by a reader here always."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.board.parts import sd_image
from k210kit.board.parts.sd_image import MIB, PARTITION_START, SECTOR, build_image, write_image
from k210kit.errors import K210Error

needs_mtools = pytest.mark.skipif(shutil.which("mcopy") is None, reason="mtools is not installed")
needs_fsck = pytest.mark.skipif(shutil.which("fsck.fat") is None, reason="dosfstools is not installed")


def read_back(image: bytes) -> dict[str, bytes | None]:
    """Every path of the image (None for folders); an independent, plain reader of FAT16 and FAT32."""
    start = struct.unpack_from("<I", image, 446 + 8)[0] * SECTOR
    boot = image[start : start + SECTOR]
    assert boot[510:] == b"\x55\xaa" == image[510:512]
    sector, per_cluster, reserved, fats, root_entries = struct.unpack_from("<HBHBH", boot, 11)
    short_fat, long_fat = struct.unpack_from("<H", boot, 22)[0], struct.unpack_from("<I", boot, 36)[0]
    fat_sectors = short_fat or long_fat
    wide = short_fat == 0
    table_at = start + reserved * sector
    root_at = table_at + fats * fat_sectors * sector
    data_at = root_at + root_entries * 32
    table = image[table_at : table_at + fat_sectors * sector]
    assert table == image[table_at + len(table) : table_at + 2 * len(table)]
    cluster_size = per_cluster * sector

    def chain(cluster: int) -> bytes:
        parts = []
        while 2 <= cluster < (0x0FFFFFF8 if wide else 0xFFF8):
            at = data_at + (cluster - 2) * cluster_size
            parts.append(image[at : at + cluster_size])
            cluster = struct.unpack_from("<I" if wide else "<H", table, cluster * (4 if wide else 2))[0]
        return b"".join(parts)

    found: dict[str, bytes | None] = {}

    def walk(entries: bytes, prefix: str) -> None:
        long = b""
        for at in range(0, len(entries), 32):
            entry = entries[at : at + 32]
            if entry[0] == 0:
                break
            if entry[11] == 0x0F:
                long = entry[1:11] + entry[14:26] + entry[28:32] + long
                continue
            short = entry[:8].decode().rstrip() + ("." + entry[8:11].decode()).rstrip().rstrip(".")
            name = long.decode("utf-16-le").split("\0")[0].rstrip("\uffff") if long else short
            long = b""
            if entry[11] & 0x08 or name in (".", ".."):
                continue
            cluster = struct.unpack_from("<H", entry, 26)[0] | struct.unpack_from("<H", entry, 20)[0] << 16
            if entry[11] & 0x10:
                found[prefix + name] = None
                walk(chain(cluster), prefix + name + "/")
            else:
                found[prefix + name] = chain(cluster)[: struct.unpack_from("<I", entry, 28)[0]]

    walk(chain(struct.unpack_from("<I", boot, 44)[0]) if wide else image[root_at:data_at], "")
    return found


def expected(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "card"
    (root / "models" / "deep" / "deeper still").mkdir(parents=True)
    (root / "empty folder").mkdir()
    (root / "main.py").write_text("print(1)\n")
    (root / "BOOT.PY").write_text("pass\n")
    (root / "empty.bin").write_bytes(b"")
    (root / "models" / "face detection v3.kmodel").write_bytes(os.urandom(100_001))
    (root / "models" / "deep" / "größe 模型 😀.txt").write_text("x")
    (root / "models" / "deep" / "deeper still" / ("n" * 255)).write_text("long")
    (root / "models" / "deep" / "deeper still" / ("t" * 26)).write_text("exactly two entries")
    for number in range(40):
        (root / "models" / f"picture number {number}.jpeg").write_bytes(bytes([number]) * (number * 700))
    (root / ".hidden").write_text("dot")
    (root / "two.dots.txt").write_text("dots")
    return root


def check_with_fsck(image: Path, start: int = PARTITION_START * SECTOR) -> None:
    """fsck.fat takes a volume, not a card: copy the volume out, keeping its holes."""
    path = image.with_suffix(".volume")
    with open(image, "rb") as card, open(path, "wb") as volume:
        volume.truncate(image.stat().st_size - start)
        at = 0
        while at < card.seek(0, os.SEEK_END):
            try:
                at = os.lseek(card.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(card.fileno(), at, os.SEEK_HOLE)
            card.seek(at)
            data = card.read(end - at)
            volume.seek(max(at - start, 0))
            volume.write(data[max(start - at, 0) :])
            at = end
    result = subprocess.run(["fsck.fat", "-n", str(path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_files_come_back(folder: Path) -> None:
    image = build_image(folder)
    assert len(image) == 64 * MIB
    assert read_back(image) == expected(folder)


def test_the_same_folder_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    os.utime(copy / "main.py", (1, 1))
    write_image(copy, tmp_path / "card.img")
    assert (tmp_path / "card.img").read_bytes() == build_image(folder)


def test_short_names_are_unique_and_fit(folder: Path) -> None:
    root = sd_image._scan(folder)
    models = next(child for child in root.children if child.name == "models")
    shorts = [child.short for child in models.children]
    assert len(set(shorts)) == len(shorts) and all(len(short) == 11 for short in shorts)
    assert b"PICTUR~1JPE" in shorts and b"PICTU~10JPE" in shorts
    assert next(child.short for child in root.children if child.name == "BOOT.PY") == b"BOOT    PY "


@needs_fsck
@pytest.mark.parametrize("size", [8, 16, 64, 256, 511, 512])
def test_fsck_finds_nothing(folder: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "card.img"
    write_image(folder, path, size=size * MIB)
    with open(path, "rb") as card:
        assert card.read(512)[450] == (0x0C if size >= 512 else 0x0E)
    check_with_fsck(path)


@needs_mtools
def test_mtools_reads_the_files(folder: Path, tmp_path: Path) -> None:
    # mtools knows the basic plane of Unicode only.
    next((folder / "models" / "deep").glob("gr*")).rename(folder / "models" / "deep" / "größe 模型.txt")
    for size in (64, 512):
        path, out = tmp_path / f"{size}.img", tmp_path / f"out{size}"
        out.mkdir()
        write_image(folder, path, size=size * MIB)
        source = f"{path}@@{PARTITION_START * SECTOR}"
        environment = os.environ | {"LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "0"}
        subprocess.run(["mcopy", "-s", "-n", "-i", source, "::", str(out)], check=True, env=environment)
        assert expected(out) == expected(folder)
        path.unlink()


def test_a_root_with_many_files_fits(tmp_path: Path) -> None:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(400):
        (root / f"a file with a long name {number}").write_bytes(b"")
    write_image(root, tmp_path / "card.img", size=8 * MIB)
    assert len(read_back((tmp_path / "card.img").read_bytes())) == 400
    if shutil.which("fsck.fat"):
        check_with_fsck(tmp_path / "card.img")


def test_an_empty_folder_makes_an_empty_card(tmp_path: Path) -> None:
    assert read_back(build_image(tmp_path)) == {}


def test_bad_input_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(K210Error, match="not a folder"):
        build_image(tmp_path / "none")
    for name, words in (("a:b", "':'"), ("dot.", "end with")):
        bad = tmp_path / f"bad{len(name)}"
        bad.mkdir()
        (bad / name).write_text("x")
        with pytest.raises(K210Error, match=words):
            build_image(bad)
    twins = tmp_path / "twins"
    twins.mkdir()
    (twins / "A").write_text("x")
    (twins / "a").write_text("x")
    if len(list(twins.iterdir())) == 2:
        with pytest.raises(K210Error, match="one name"):
            build_image(twins)
    loop = tmp_path / "loop"
    loop.mkdir()
    (loop / "again").symlink_to(loop)
    with pytest.raises(K210Error, match="link to a folder above"):
        build_image(loop)
    big = tmp_path / "big"
    big.mkdir()
    (big / "file").write_bytes(bytes(8 * MIB))
    with pytest.raises(K210Error, match="does not fit into a card of 8 MiB"):
        build_image(big, size=8 * MIB)
    with pytest.raises(K210Error, match="whole MiB"):
        build_image(big, size=8 * MIB + 1)
    with pytest.raises(K210Error, match="cannot write"):
        write_image(big, tmp_path / "no" / "such.img")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters='"*/:<>?\\|\x7f', exclude_categories=["Cc"]))


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(NAMES.filter(lambda n: 0 < len(n.encode()) < 200), st.binary(max_size=3000), max_size=12))
def test_any_names_come_back(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    root = tmp_path_factory.mktemp("names")
    kept: dict[str, bytes | None] = {}
    for name, content in files.items():
        if not name.endswith((" ", ".")) and name.upper() not in {other.upper() for other in kept}:
            (root / name).write_bytes(content)
            kept[name] = content
    assert read_back(build_image(root, size=8 * MIB)) == kept
