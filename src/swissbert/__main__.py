"""``python -m swissbert``."""

from swissbert.cli import main

main()
