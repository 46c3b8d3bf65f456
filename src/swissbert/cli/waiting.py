"""How OpenMP threads of a command wait for one another."""

import os

SPINS = "2000"
"""Turns of the loop in which a thread of GNU's OpenMP waits before it sleeps; the library's own default is 300,000."""


def wait_briefly() -> None:
    """Let threads that wait for others give up their core soon. To be called before torch is imported.

    The threads of an operator wait for one another many times a step. By default they do so in a loop of several
    milliseconds, and where another program needs the same cores, the thread that all wait for does not get one: training
    falls to a tenth. With a short loop it keeps most of its speed then; benchmarks/LOG.md says what that costs where nothing else
    runs. ``OMP_WAIT_POLICY`` and ``GOMP_SPINCOUNT`` of the environment, if they are set, are left as they are. The numbers that
    a program computes are the same.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
