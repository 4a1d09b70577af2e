"""`python -m k210kit.cli` is the `k210` command."""

from k210kit.cli import main

main()
