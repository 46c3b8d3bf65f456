"""Rows that are given in memory. Stand-in: the data branch has the real one."""


class MemoryRows:
    """Train rows, and perhaps dev rows, of one task."""

    def __init__(self, train: object, dev: object | None = None) -> None:
        self.train, self.dev = train, dev
