"""Where the flasher keeps what it remembers from one time to the next."""

from __future__ import annotations

import os
from pathlib import Path


def folder() -> Path:
    """The user's own; it need not exist. Raises RuntimeError when there is no home."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base) / "k210kit"
