"""`k210 compile`: what it prints, writes and refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from random_networks import Builder

from k210kit.cli import main
from k210kit.kmodel import Runtime, load

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def k210(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: (status, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["compile", *(str(argument) for argument in arguments)])
        out, err = capfd.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return run


@pytest.fixture
def network(tmp_path: Path) -> Path:
    b = Builder(1, (3, 24, 32))
    b.conv(8)
    b.function("Relu")
    b.conv(4, stride=2)
    onnx.save(b.build(), tmp_path / "net.onnx")
    np.save(tmp_path / "calib.npy", b.pictures(4))
    return tmp_path / "net.onnx"


def test_what_comes_out(k210: Run, network: Path) -> None:
    status, out, err = k210(network, "--calibrate", network.with_name("calib.npy"), "--std", 255)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["layer", "node", "what", "output", "bytes", "KPU", "ms", "SQNR", "dB"]
    assert "node_conv0" in lines[1] and "KPU 3x3" in lines[1] and "8x24x32" in lines[1]
    assert float(lines[1].split()[-1]) > 30
    target = network.with_suffix(".kmodel")
    assert f"{target}, {target.stat().st_size:,} bytes" in out and "time on the KPU" in out
    assert Runtime(load(target)).run(np.zeros((3, 24, 32), np.uint8))[0].shape == (4, 12, 16)


def test_a_folder_of_pictures_and_a_page(k210: Run, network: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "notes.txt").write_text("no picture")
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (50, 60, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    arguments = ["--calibrate", folder, "--scale", 1 / 255, "--out", tmp_path / "x.kmodel"]
    status, _, err = k210(network, *arguments, "--report", tmp_path / "x.html", "--ranges", "mse", "--swap-rb")
    assert (status, err) == (0, "")
    page = (tmp_path / "x.html").read_text()
    assert page.startswith("<!doctype html>") and "node_conv0" in page and "net.onnx" in page
    assert load(tmp_path / "x.kmodel").input.shape == (3, 24, 32)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--calibrate", "nowhere.npy"], "cannot read nowhere.npy"),
        (["--calibrate", "."], "has no pictures"),
        (["--calibrate", "CALIB", "--mean", "a,b"], "--mean a,b: give a number"),
        (["--calibrate", "CALIB", "--mean", "1,2"], "one for each of 3 channels"),
        (["--calibrate", "CALIB", "--std", "0"], "above 0"),
        (["--calibrate", "CALIB", "--scale", "0.1", "--std", "3"], "--scale has to be above 0"),
        (["--calibrate", "CALIB", "--out", "/nowhere/x.kmodel"], "cannot write /nowhere/x.kmodel"),
        (["--calibrate", "FLOATS"], "is no array of bytes"),
        (["--calibrate", "OTHER"], "calibration pictures are (1, 3, 8, 8)"),
    ],
)
def test_refusals(k210: Run, network: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = network.parent / "empty"
    empty.mkdir()
    np.save(network.parent / "floats.npy", np.zeros((1, 3, 24, 32), np.float32))
    np.save(network.parent / "other.npy", np.zeros((1, 3, 8, 8), np.uint8))
    monkeypatch.chdir(empty)
    names = {name: network.with_name(f"{name.lower()}.npy") for name in ("CALIB", "FLOATS", "OTHER")}
    status, _, err = k210(network, *(names.get(argument, argument) for argument in arguments))
    assert status == 2 and err.startswith("k210: ") and words in err and err.count("\n") == 1, err


def test_no_model(k210: Run, tmp_path: Path) -> None:
    status, _, err = k210(tmp_path / "none.onnx", "--calibrate", tmp_path)
    assert status == 2 and "cannot read" in err
    (tmp_path / "text.onnx").write_text("hello")
    status, _, err = k210(tmp_path / "text.onnx", "--calibrate", tmp_path)
    assert status == 2 and "is no ONNX model" in err
