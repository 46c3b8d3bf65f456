"""Tables as text, as wide as their cells, or as narrow as a terminal."""

import re
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any, Literal

from swissbert.wording import one_line

UNLIMITED = 10_000
"""Columns of a table that is not limited."""
GAP = 2
"""Spaces between the columns of a narrow table."""
NARROWEST_TEXT = 10
"""Columns that a column of text keeps in a narrow table, unless its cells are shorter."""
WHOLE_WORDS = 20
"""Words of so many columns are not broken where there is room for them."""


def table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: int = 1,
    *,
    width: int | None = None,
    colour: bool = False,
) -> str:
    """Format a plain-text table. Cells are one line each, without control characters.

    Args:
        title: Line above the table.
        header: Column heads.
        rows: Cells, as many in each row as there are heads.
        left: Number of leading columns that hold text: they are aligned left, and may wrap. The others are aligned right and
            whole.
        width: Largest number of columns of the text. Spaces, heads and text columns give way, in this order; a table that is
            still too wide becomes a block of lines for each row. None: as wide as the cells are.
        colour: Write the title bold and the heads dim.
    """
    from rich.cells import cell_len

    heads = [one_line(name) for name in header]
    cells = [[one_line(cell) for cell in row] for row in rows]
    lines = _grid(heads, cells, left, None, colour=False)
    if width is not None and max(map(cell_len, lines)) > width:
        fits = least_width(heads, cells, left) <= width
        lines = _grid(heads, cells, left, width, colour) if fits else _blocks(heads, cells, width, colour)
    elif colour:
        lines = _grid(heads, cells, left, None, colour)
    titles = folded(one_line(title), width or UNLIMITED)
    return "\n".join([*(styled(line, "bold", colour=colour) for line in titles), *lines])


def least_width(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> int:
    """Return how many columns of a terminal a table needs to stay one; arguments as for `table`."""
    needed = _least(header, rows, left, NARROWEST_TEXT)
    return sum(needed) + GAP * len(needed)


def styled(text: str, style: str, *, colour: bool) -> str:
    """Return a line with the escape codes of a style of rich, such as ``bold``, if it is to have colour."""
    from rich.text import Text

    return _drawn(Text(text, style), UNLIMITED, colour)[0] if colour and text else text


def _least(header: Sequence[str], rows: Sequence[Sequence[str]], left: int, word: int) -> list[int]:
    """Return the least width of each column: that of its longest word in the head, and of its numbers or a piece of its texts.

    Args:
        header: Column heads.
        rows: Cells.
        left: Number of columns of text.
        word: Words in cells of text may be broken if they are longer.
    """
    from rich.cells import cell_len

    def longest(texts: Iterable[str]) -> int:
        return max(map(cell_len, texts), default=0)

    widths = []
    for i, head in enumerate(header):
        cells = [row[i] for row in rows]
        needed = longest(cells)
        if i < left:
            words = longest(part for cell in cells for part in cell.split())
            needed = min(needed, max(NARROWEST_TEXT, min(word, words)))
        widths.append(max(needed, longest(head.split())))
    return widths


def _grid(heads: list[str], cells: list[list[str]], left: int, width: int | None, colour: bool) -> list[str]:
    """Return the lines of a table, as wide as its cells if there is no width."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    padding = (0, 1) if width is None else (0, GAP - 1, 0, 0)
    widths = None if width is None else _widths(heads, cells, left, width)
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding, header_style="dim" if colour else "")
    for i, name in enumerate(heads):
        grid.add_column(
            Text(name),
            justify="left" if i < left else "right",
            no_wrap=widths is None,
            overflow="fold",
            width=None if widths is None else widths[i],
        )
    for row in cells:
        grid.add_row(*map(Text, row))
    return [line for line in _drawn(grid, width or UNLIMITED, colour) if line]


def _widths(heads: list[str], cells: list[list[str]], left: int, width: int) -> list[int]:
    """Return the width of each column: the least that it needs, and of what is left as much as texts and then heads lack."""
    from rich.cells import cell_len

    room = width - GAP * len(heads)
    least, most = (_least(heads, cells, left, word) for word in (NARROWEST_TEXT, WHOLE_WORDS))
    for word in range(WHOLE_WORDS, NARROWEST_TEXT - 1, -1):  # longer words are broken, as few as there is no room for
        widths = [min(high, max(low, word)) for low, high in zip(least, most, strict=True)]
        if sum(widths) <= room:
            break
    whole = [max(map(cell_len, (head, *(row[i] for row in cells)))) for i, head in enumerate(heads)]
    for columns in (range(left), range(left, len(heads))):
        while sum(widths) < room and (lacking := [i for i in columns if widths[i] < whole[i]]):
            widths[max(lacking, key=lambda i: whole[i] / widths[i])] += 1
    return widths


def _blocks(heads: list[str], cells: list[list[str]], width: int, colour: bool) -> list[str]:
    """Return a block for each row: its first cell, and below it every other cell that is not empty after its head."""
    from rich.cells import cell_len

    longest = max((cell_len(head) for head in heads[1:]), default=0)
    lines = []
    for row in cells:
        lines.append(styled(row[0], "bold", colour=colour))
        for head, cell in zip(heads[1:], row[1:], strict=True):
            if cell:
                padded = " " * (longest - cell_len(head))
                lines += folded(f"  {head}{padded}  {cell}", width, indent=longest + 4)
    return lines


def folded(text: str, width: int, indent: int = 2) -> list[str]:
    """Wrap a line at its spaces; words that are longer than a line stay whole, so that a path can be copied.

    Args:
        text: The line.
        width: Largest number of columns of a line.
        indent: Spaces before every line but the first.
    """
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return [text]
    indent = min(indent, width // 2)
    head = text[: len(text) - len(text.lstrip(" "))]
    lines, line, used = [], head, cell_len(head)
    for word in re.findall(r"\S+ *", text[len(head) :]):
        long = cell_len(word.rstrip())
        if used + long > width and line.strip():
            lines.append(line.rstrip())
            line, used = " " * indent, indent
        line, used = line + word, used + cell_len(word)
    return [*lines, line.rstrip()]


def _drawn(thing: Any, width: int, colour: bool) -> list[str]:
    """Return the lines of a text or table of rich without the spaces at their ends."""
    from rich.console import Console

    out = StringIO()
    system: Literal["standard"] | None = "standard" if colour else None
    console = Console(
        file=out, width=width, force_terminal=colour, color_system=system, no_color=False, legacy_windows=False
    )
    console.print(thing, highlight=False)
    return [line.rstrip() for line in out.getvalue().splitlines()]
