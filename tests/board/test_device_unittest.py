"""The firmware's unittest module."""

from __future__ import annotations

from device_script import run_device_script


def test_unittest_module() -> None:
    assert run_device_script("unittest_module").endswith("FAILED (failures=4, errors=1)\ndone\n")
