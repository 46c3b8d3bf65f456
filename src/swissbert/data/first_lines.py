"""Where label names occur first, for messages about names that stand out among numbers."""

from swissbert.kinds.cells import number_of
from swissbert.kinds.label_names import cell_name

MOST = 100_000
"""Names that are kept, so that a column of texts costs no memory beside its cells."""


class FirstLines:
    """The first line of each label name that is no number.

    Attributes:
        by_name: The line in words, by name.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, str] = {}

    def count(self, cell: object, number: int, file: str = "") -> None:
        """Look at a label cell.

        Args:
            cell: The cell.
            number: Number of its row.
            file: Name of its file, if there may be several.
        """
        if not isinstance(cell, str) or len(self.by_name) >= MOST:
            return
        name = cell_name(cell)
        if name not in self.by_name and number_of(name) is None:
            self.by_name[name] = f"row {number:,}{file and f' of {file}'}"
