"""The command line: every command is one call of the library.

Results go to standard output, all else to standard error.
"""

from swissbert.cli import answering, data, sharing, showing, training
from swissbert.cli.program import main

__all__ = ["answering", "data", "main", "sharing", "showing", "training"]
