"""Results of a table so far: our scores, those of the paper if it has any, and how the settings differ."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from swissbert.config import RunConfig, differences
from swissbert.evaluation import percentiles
from swissbert.experiments.declarations import SEED_MARK, Figures, ResultsTable, TableRow
from swissbert.experiments.records import RowRecord, anonymous, read_record, recorded_seeds
from swissbert.wording import joined


@dataclass(frozen=True)
class Line:
    """A line of the outcome.

    Attributes:
        title: Title of the row.
        paper: Scores of the paper, by column.
        ours: Our score of each seed, by column; empty if there is none.
        note: Why there is no score.
        interval: 95 % bootstrap interval of the mean of ``overall`` over the seeds, if there is one.
        difference: Mean ``overall`` less that of the row that the table compares with, and the ends of its 95 % interval
            over bootstrap samples on which both are scored; None if they have no such samples.
        seconds: Time in optimizer steps of each seed.
        of_test: Whether the line is of the test rows of the row above it.
        has_other_tasks: Whether its ``overall`` is a mean of other tasks than those of the columns.
    """

    title: str
    paper: Figures
    ours: dict[str, list[float]]
    note: str
    interval: tuple[float, float] | None = None
    difference: tuple[float, float, float] | None = None
    seconds: list[float] = field(default_factory=list)
    of_test: bool = False
    has_other_tasks: bool = False

    def competes(self, column: str) -> bool:
        """Whether a score of the line is compared with those of other lines: not an ``overall`` of other tasks."""
        return column != "overall" or not self.has_other_tasks


@dataclass(frozen=True)
class Outcome:
    """Results of a table so far.

    Attributes:
        title: Title of the table.
        columns: Score to heading.
        lines: Lines, in the order of the table.
        caption: Sentences on what the scores are, and how settings differ from the declared ones.
        records: Records of finished rows.
        has_paper: Whether there are scores of the paper.
        compare: Title of the row from which differences are shown; None for no differences.
    """

    title: str
    columns: dict[str, str]
    lines: list[Line]
    caption: list[str]
    records: list[RowRecord]
    has_paper: bool
    compare: str | None = None

    @property
    def has_intervals(self) -> bool:
        """Whether a line has a bootstrap interval of ``overall``."""
        return any(line.interval for line in self.lines)


def outcome(table: ResultsTable, out: Path) -> Outcome:
    """Read the records of all rows of a table.

    Args:
        table: The table.
        out: Folder of the records.

    Raises:
        SwissbertError: If a record cannot be read.
    """
    lines: list[Line] = []
    of_row = {row.name: _finished(out, row.name) for row in table.rows}
    compared = [] if table.compare is None else of_row[table.compare]
    for row in table.rows:
        finished = of_row[row.name]
        ours = {name: [record.scores[name] for record in finished if name in record.scores] for name in table.columns}
        note = "" if finished else "not run"
        difference = None if row.name == table.compare else _difference(finished, compared)
        has_other_tasks = any(_tasks(record.scores) != _tasks(table.columns) for record in finished)
        lines.append(
            Line(
                row.title,
                row.paper,
                ours,
                note,
                _interval(finished),
                difference,
                _seconds(finished),
                has_other_tasks=has_other_tasks,
            )
        )
        if row.test:
            named = any("-test-" in name for record in finished for name in record.predictions)
            written = named or any(out.glob(f"predictions/{row.name}/*/*-test-*"))  # early records do not name them
            note = "predictions written" if written else "no test rows" if finished else "not run"
            lines.append(Line(f"{row.title}: test rows", row.test, {}, note, of_test=True))
    records = [record for finished in of_row.values() for record in finished]
    compare = table.row(table.compare).title if compared and table.compare else None
    caption = _caption(table, records, lines)
    return Outcome(table.title, table.columns, lines, caption, records, table.has_paper, compare)


def _finished(out: Path, row: str) -> list[RowRecord]:
    """Return the records of a row, by seed."""
    return [record for seed in recorded_seeds(out, row) if (record := read_record(out, row, seed))]


def _tasks(scores: Iterable[str]) -> set[str]:
    """Return the tasks of scores that are named ``TASK.METRIC``."""
    return {task for task, dot, _ in (name.partition(".") for name in scores) if dot}


def _interval(records: list[RowRecord]) -> tuple[float, float] | None:
    """Return the bootstrap interval of the mean over the seeds of a row; None if a seed has no samples."""
    samples = _mean_samples(records)
    return percentiles(samples) if samples else None


def _difference(records: list[RowRecord], others: list[RowRecord]) -> tuple[float, float, float] | None:
    """Return the difference of the means of ``overall`` and its paired interval; None without the same dev rows."""
    ours, theirs = _mean_samples(records), _mean_samples(others)
    if len({frozenset(record.scores) for record in records + others}) > 1 or not ours or len(ours) != len(theirs):
        return None
    mean, other = (statistics.fmean(record.scores["overall"] for record in each) for each in (records, others))
    return mean - other, *percentiles([a - b for a, b in zip(ours, theirs, strict=True)])


def _mean_samples(records: list[RowRecord]) -> list[float]:
    """Return the bootstrap samples of the mean over the seeds of a row; none if a seed has none."""
    samples = [record.overall_samples for record in records]
    if not samples or not all(samples) or len(set(map(len, samples))) > 1:
        return []
    return [statistics.fmean(values) for values in zip(*samples, strict=True)]


def _seconds(records: list[RowRecord]) -> list[float]:
    """Return the time in optimizer steps of each seed of a row."""
    return [sum(run.seconds for run in record.runs) for record in records]


def _caption(table: ResultsTable, records: list[RowRecord], lines: list[Line]) -> list[str]:
    sentences = ["Scores are on dev rows, of each run's best evaluation by overall dev score."]
    if table.has_paper:
        sentences[0] = f"{sentences[0][:-1]}; the difference is ours less the paper's."
    if not records:
        return sentences
    sentences += _different_settings(table, records)
    sizes = {name: count for record in records for run in record.runs for name, count in run.train_rows.items()}
    if sizes:
        sentences.append(f"Train rows: {', '.join(f'{name} {count:,}' for name, count in sizes.items())}.")
    seeds = sorted({record.seed for record in records})
    sentences.append(
        f"Seeds {', '.join(map(str, seeds))}: mean ± standard deviation where a row has several."
        if len(seeds) > 1
        else f"One seed ({seeds[0]}), so differences of a point or two between rows are within chance."
    )
    if any(line.interval for line in lines):
        sentences.append(
            "The interval of overall (95 %, bootstrap over the dev rows, of the mean over the seeds) shows what other dev "
            "rows would change, not what other seeds would."
        )
    if any(line.difference for line in lines) and table.compare:
        sentences.append(
            f"The difference is that of overall from '{table.row(table.compare).title}'; its interval is over samples on which "
            "both are scored, and a row with other tasks has none."
        )
    sentences += _rows_with_models(table, {record.row for record in records}, with_time=not table.has_paper)
    return sentences


def _rows_with_models(table: ResultsTable, finished: set[str], *, with_time: bool) -> list[str]:
    """Say which finished rows take the models of other rows."""
    sentences = []
    for row in table.rows:
        if row.name in finished and row.models:
            titles = dict.fromkeys(f"'{table.row(name.partition(SEED_MARK)[0]).title}'" for name in row.models)
            how = "averages weights of" if row.soup else "learns from"
            sentences.append(f"'{row.title}' {how} the models of {joined(list(titles))}.")
    if sentences and with_time:
        sentences.append("Their seconds of training are without those of these models.")
    return sentences


def _different_settings(table: ResultsTable, records: list[RowRecord]) -> list[str]:
    """Return a sentence on the settings of finished rows that are not the declared ones; none if all are."""
    changed: dict[str, list[str]] = {}
    rows = {row.name: row for row in table.rows}
    for record in records:
        for change in _changes(rows[record.row], record, table):
            if record.row not in changed.setdefault(change, []):
                changed[change].append(record.row)
    names = list(dict.fromkeys(record.row for record in records))
    everywhere = [change for change, where in changed.items() if where == names]
    elsewhere = [f"{change} in {', '.join(where)}" for change, where in changed.items() if where != names]
    if not everywhere and not elsewhere:
        return []
    first = "Other than in the paper" if table.has_paper else "Other than declared"
    return [f"{first}: {'; '.join(everywhere + elsewhere)}."]


def _changes(row: TableRow, record: RowRecord, table: ResultsTable) -> list[str]:
    """List the settings of a record that differ from the declared ones, except those that do not affect results."""
    if row.soup:
        return []
    declared = anonymous(table.declared_config(row))
    changes = []
    for run in record.runs:
        update: dict[str, object] = {"tasks": declared.tasks, "seed": declared.seed}
        if row.teachers:
            teachers = declared.distillation.teachers  # by row; a record has the seed too
            update["distillation"] = run.config.distillation.model_copy(update={"teachers": teachers})
        ours = run.config.model_copy(update=update)
        changes += [text for text in differences(_plain(declared), _plain(ours)) if text not in changes]
    return [text.replace(" became ", " → ").replace("'", "") for text in changes]


def _plain(config: RunConfig) -> RunConfig:
    """Return settings in which those that do not affect results have one value."""
    same = {"checkpoint_every": None, "keep": 1, "bucket": 50, "device": "auto"}
    return config.model_copy(update={"train": config.train.model_copy(update=same)})
