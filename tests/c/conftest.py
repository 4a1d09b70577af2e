"""The kmodel runtime, built for the host once a session."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kmodel_runtime import Runtime

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/c_tests"
# The golden vectors' reader is shared with the tests of the KPU's arithmetic.
sys.path.append(str(ROOT / "tests/unit"))


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def c_build() -> Path:
    """The folder that holds libkmodel.so and kmodel_exerciser."""
    for tool in ("cmake", "gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    BUILD.mkdir(parents=True, exist_ok=True)
    # pytest-xdist's workers build one at a time.
    with (ROOT / "build/c_tests.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _run("cmake", "-S", ROOT / "tests/c", "-B", BUILD)
        _run("cmake", "--build", BUILD, "--parallel")
    return BUILD


@pytest.fixture(scope="session")
def runtime(c_build: Path) -> Runtime:
    return Runtime(c_build / "libkmodel.so")
