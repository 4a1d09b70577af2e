"""Every layer type on the host: the tests of the C runtime, their expectations included, with the Python one."""

from __future__ import annotations

import kmodel_host
import pytest
from test_kmodel_layers import *  # noqa: F403  (of tests/c)


@pytest.fixture
def runtime() -> type[kmodel_host.HostRuntime]:
    return kmodel_host.HostRuntime
