"""The share of an input that is answered."""

from pathlib import Path

from swissbert.data.formats import FORMATS
from swissbert.inference.input_progress import CountedRows, share_done
from swissbert.inference.input_rows import InputRow


def test_rows_that_are_read_but_not_answered_are_not_done(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text\n" + "a film\n" * 9)
    rows = CountedRows(InputRow(number, None, {}, ()) for number in range(10))
    with path.open("rb") as file:
        share = share_done(path, [file], FORMATS["csv"], rows)
        assert share(0) == 0
        file.read()  # a small file is read whole before the first answer
        for _ in range(10):
            next(iter(rows))
        assert (share(0), share(5), share(10)) == (0, 0.5, 1)
    assert (share(1), share(10)) == (0.1, 1)
