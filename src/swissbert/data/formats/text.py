"""Plain text: one sentence a line, of a pair two with a tab between."""

from collections.abc import Iterator
from typing import TextIO

from swissbert.data.formats.base import NumberedCells, ReadOptions, TextFormat
from swissbert.data.formats.encoding import unreadable
from swissbert.data.formats.limits import BLANK_LINES, LINE, blank_start, lines_of, long_line
from swissbert.wording import counted


class PlainText(TextFormat):
    """Sentences without labels: for predictions, and for ``test`` splits. Every line is a row, and a blank one a bad row."""

    name = "text"
    endings = (".txt",)
    has_columns = False

    def parse(self, file: TextIO, where: str, options: ReadOptions) -> Iterator[NumberedCells]:
        """Yield the text or the two texts of each line under the names in `options`.

        Raises:
            SwissbertError: If very many lines are blank before the first one that is not.
        """
        pair = options.text_pair
        names = [options.text] if pair is None else [options.text, pair]
        blank = True  # so far
        for number, line in enumerate(lines_of(file), 1):
            if len(line) > LINE:
                raise long_line(where, number)
            blank = blank and not line.strip()
            if blank and number > BLANK_LINES:
                raise blank_start(where)
            texts = [line.strip()] if pair is None else [part.strip() for part in line.rstrip("\r\n").split("\t")]
            if len(texts) != len(names):
                yield number, f"{counted(len(texts), 'text')} where a pair with a tab between is expected"
            elif not all(texts):
                yield number, "the text is empty"
            elif why := unreadable("".join(texts), options.encoding):
                yield number, f"the text has {why}"
            else:
                yield number, dict(zip(names, texts, strict=True))
