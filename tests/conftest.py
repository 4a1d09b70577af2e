"""What all tests share."""

import importlib.util

import pytest

HAS_C_RUN_LOOP = importlib.util.find_spec("k210kit.board.core._fast") is not None


def pytest_configure(config):
    config.addinivalue_line("markers", "c_run_loop: compares with the C run loop, or takes minutes without it")


def pytest_collection_modifyitems(items):
    if not HAS_C_RUN_LOOP:
        skip = pytest.mark.skip(reason="the C run loop was not built: no C compiler at install")
        for item in items:
            if item.get_closest_marker("c_run_loop"):
                item.add_marker(skip)
