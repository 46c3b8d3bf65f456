"""Results of a table so far: our scores beside the paper's, and how the settings differ."""

from dataclasses import dataclass
from pathlib import Path

from swissbert.config import RunConfig, differences
from swissbert.experiments.paper import Figures, PaperTable, TableRow
from swissbert.experiments.records import RowRecord, anonymous, read_record, recorded_seeds


@dataclass(frozen=True)
class Line:
    """A line of the outcome.

    Attributes:
        title: Title of the row.
        paper: Scores of the paper, by column.
        ours: Our score of each seed, by column; empty if there is none.
        note: Why there is no score.
    """

    title: str
    paper: Figures
    ours: dict[str, list[float]]
    note: str


@dataclass(frozen=True)
class Outcome:
    """Results of a table so far.

    Attributes:
        title: Title of the table.
        columns: Score to heading.
        lines: Lines, in the order of the table.
        caption: Sentences on how our runs differ from the paper's.
        records: Records of finished rows.
    """

    title: str
    columns: dict[str, str]
    lines: list[Line]
    caption: list[str]
    records: list[RowRecord]


def outcome(table: PaperTable, out: Path) -> Outcome:
    """Read the records of all rows of a table.

    Args:
        table: The table.
        out: Folder of the records.

    Raises:
        SwissbertError: If a record cannot be read.
    """
    lines: list[Line] = []
    records: list[RowRecord] = []
    for row in table.rows:
        seeds = recorded_seeds(out, row.name)
        finished = [record for seed in seeds if (record := read_record(out, row.name, seed))]
        records += finished
        ours = {name: [record.scores[name] for record in finished if name in record.scores] for name in table.columns}
        lines.append(Line(row.title, row.paper, ours, "" if finished else "not run"))
        if row.test:
            written = any("-test-" in name for record in finished for name in record.predictions)
            note = "predictions written" if written else "no test rows" if finished else "not run"
            lines.append(Line(f"{row.title}: test rows", row.test, {}, note))
    return Outcome(table.title, table.columns, lines, _caption(table, records), records)


def _caption(table: PaperTable, records: list[RowRecord]) -> list[str]:
    sentences = [
        "Scores are on dev rows, of each run's best evaluation by overall dev score; the difference is ours less the paper's."
    ]
    if not records:
        return sentences
    changed: dict[str, list[str]] = {}
    rows = {row.name: row for row in table.rows}
    for record in records:
        for change in _changes(rows[record.row], record, table):
            if record.row not in changed.setdefault(change, []):
                changed[change].append(record.row)
    names = list(dict.fromkeys(record.row for record in records))
    everywhere = [change for change, where in changed.items() if where == names]
    elsewhere = [f"{change} in {', '.join(where)}" for change, where in changed.items() if where != names]
    if everywhere or elsewhere:
        sentences.append(f"Other than in the paper: {'; '.join(everywhere + elsewhere)}.")
    sizes = {name: count for record in records for run in record.runs for name, count in run.train_rows.items()}
    sentences.append(f"Train rows: {', '.join(f'{name} {count:,}' for name, count in sizes.items())}.")
    seeds = sorted({record.seed for record in records})
    sentences.append(
        f"Seeds {', '.join(map(str, seeds))}: mean ± standard deviation where a row has several."
        if len(seeds) > 1
        else f"One seed ({seeds[0]}), so differences of a point or two between rows are within chance."
    )
    return sentences


def _changes(row: TableRow, record: RowRecord, table: PaperTable) -> list[str]:
    """List the settings of a record that differ from the paper's, except those that do not affect results."""
    paper = anonymous(table.paper_config(row))
    changes = []
    for run in record.runs:
        update: dict[str, object] = {"tasks": paper.tasks, "seed": paper.seed}
        ours = run.config.model_copy(update=update)
        changes += [text for text in differences(_plain(paper), _plain(ours)) if text not in changes]
    return [text.replace(" became ", " → ").replace("'", "") for text in changes]


def _plain(config: RunConfig) -> RunConfig:
    """Return settings in which those that do not affect results have one value."""
    same = {"checkpoint_every": None, "keep": 1, "bucket": 50, "device": "auto"}
    return config.model_copy(update={"train": config.train.model_copy(update=same)})
