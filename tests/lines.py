"""A display for tests."""

from swissbert.display import Display


class Lines(Display):
    """A display that keeps its lines."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def about(self, *words: str) -> list[str]:
        """Return the lines with any of some words."""
        return [line for line in self.lines if any(word in line for word in words)]
