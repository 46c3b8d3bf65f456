"""Entry point of ``python -m swissbert``."""

from swissbert.cli import main

main()
