"""Builds the C run loop of the virtual board; without a compiler the Python one serves."""

from pathlib import Path

from setuptools import Extension, setup

FAST = Path("host_tools/k210kit/board/core/fast")


def unicorn_headers() -> str:
    """Where the unicorn package keeps its headers."""
    import unicorn

    return str(Path(unicorn.__file__).parent / "include")


setup(
    ext_modules=[
        Extension(
            "k210kit.board.core._fast",
            sources=sorted(str(path) for path in FAST.glob("*.c")),
            depends=sorted(str(path) for path in FAST.glob("*.h")),
            include_dirs=[unicorn_headers()],
            extra_compile_args=["-O2", "-fvisibility=hidden"],
            optional=True,
        )
    ]
)
