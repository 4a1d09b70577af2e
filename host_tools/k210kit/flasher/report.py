"""What a caller may want to see of a job: plan, progress, remarks. This one shows nothing; the command line's does."""

from __future__ import annotations

from k210kit.flasher.plan import Plan


class Report:
    """Told what happens; override what is of interest."""

    def note(self, text: str) -> None:
        """A remark in a sentence."""

    def plan(self, plan: Plan, on_the_line: int) -> None:
        """What is going to be written, before anything is; `on_the_line` is its size in bytes as sent."""

    def begin(self, name: str, total: int) -> None:
        """A file, or another piece of work, of `total` bytes begins."""

    def advance(self, name: str, size: int) -> None:
        """So many more bytes of it are done."""

    def end(self) -> None:
        """All of the work begun is over, or has been given up."""
