"""The command line: every command is one call of the library.

Results go to standard output, all else to standard error.
"""

from swissbert.cli import answering, data, hub, sharing, showing, training
from swissbert.cli.program import main

__all__ = ["answering", "data", "hub", "main", "sharing", "showing", "training"]
