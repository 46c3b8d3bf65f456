"""A table with the paper's figures, ours and the difference side by side, in Markdown and as one HTML page."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from swissbert.config import RunConfig, differences
from swissbert.experiments.paper import Figures, PaperTable, TableRow
from swissbert.experiments.records import RowRecord, anonymous, read_record, recorded_seeds
from swissbert.files import write_text


@dataclass(frozen=True)
class Line:
    """One line of the outcome. `ours` is the score of each seed, by column; empty where there is none, and `note` says why."""

    title: str
    paper: Figures
    ours: dict[str, list[float]]
    note: str


@dataclass(frozen=True)
class Outcome:
    """What is known of a table so far. `caption` says in sentences how ours differs from the paper's."""

    title: str
    columns: dict[str, str]
    lines: list[Line]
    caption: list[str]
    records: list[RowRecord]


def outcome(table: PaperTable, out: Path) -> Outcome:
    """Read every record of a table's rows in `out`. Raises SwissbertError where one cannot be read."""
    lines: list[Line] = []
    records: list[RowRecord] = []
    for row in table.rows:
        found = [read_record(out, row.name, seed) for seed in recorded_seeds(out, row.name)]
        mine = [record for record in found if record]
        records += mine
        ours = {name: [record.scores[name] for record in mine if name in record.scores] for name in table.columns}
        lines.append(Line(row.title, row.paper, ours, "" if mine else "not run"))
        if row.test:
            written = any("-test-" in name for record in mine for name in record.predictions)
            note = "predictions written" if written else "no test rows" if mine else "not run"
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
    some = [f"{change} in {', '.join(where)}" for change, where in changed.items() if where != names]
    if everywhere or some:
        sentences.append(f"Other than in the paper: {'; '.join(everywhere + some)}.")
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
    """In what a record's settings differ from the paper's, what changes no result left out."""
    paper = anonymous(table.paper_config(row))
    changes = []
    for run in record.runs:
        update: dict[str, object] = {"tasks": paper.tasks, "seed": paper.seed}
        ours = run.config.model_copy(update=update)
        changes += [text for text in differences(_plain(paper), _plain(ours)) if text not in changes]
    return [text.replace(" became ", " → ").replace("'", "") for text in changes]


def _plain(config: RunConfig) -> RunConfig:
    """Settings with those at their default that say only how a run is looked after."""
    same = {"checkpoint_every": None, "keep": 1, "bucket": 50, "device": "auto"}
    return config.model_copy(update={"train": config.train.model_copy(update=same)})


def _cells(line: Line, column: str, best: dict[str, float]) -> tuple[str, str, str, bool]:
    """The paper's figure, ours and the difference as text, and whether ours is the best of its column."""
    paper = line.paper.get(column)
    values = line.ours.get(column, [])
    shown = "" if paper is None else f"{paper:.3f}"
    if not values:
        return shown, line.note, "", False
    mean = statistics.fmean(values)
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    difference = "" if paper is None else f"{mean - paper:+.3f}".replace("-", "−")
    return shown, f"{mean:.3f}{spread}".replace("-", "−"), difference, mean == best.get(column)


def _best(found: Outcome) -> dict[str, float]:
    best: dict[str, float] = {}
    for column in found.columns:
        means = [statistics.fmean(line.ours[column]) for line in found.lines if line.ours.get(column)]
        if len(means) > 1:
            best[column] = max(means)
    return best


def _runs(found: Outcome) -> list[list[str]]:
    """What each run took: row, seed, tasks, steps, tokens a second, minutes, and where it was made."""
    return [
        [
            record.row,
            str(record.seed),
            ", ".join(run.train_rows),
            f"{run.steps:,}",
            f"{run.best_step:,}",
            f"{run.tokens / max(run.seconds, 1e-9):,.0f}",
            f"{run.seconds / 60:.1f}",
            _short(str(run.provenance.get("commit", ""))),
            str(run.provenance.get("date", ""))[:10],
            f"{run.provenance.get('machine', '')}; {run.provenance.get('device', '')}, {run.provenance.get('precision', '')}",
        ]
        for record in found.records
        for run in record.runs
    ]


def _short(commit: str) -> str:
    """A commit by its first ten digits, and whether the source had changes."""
    digits, plus, changes = commit.partition("+")
    return digits[:10] + plus + changes


RUN_HEADER = ["row", "seed", "tasks", "steps", "best at", "tokens/s", "minutes in steps", "commit", "date", "machine"]


def as_markdown(found: Outcome) -> str:
    """The outcome in Markdown, columns lined up."""
    best = _best(found)
    header = ["", *(f"{title}{part}" for title in found.columns.values() for part in (" paper", " ours", " diff."))]
    body = []
    for line in found.lines:
        cells = []
        for column in found.columns:
            paper, ours, difference, top = _cells(line, column, best)
            cells += [paper, f"**{ours}**" if top else ours, difference]
        body.append([line.title, *cells])
    parts = [f"# {found.title}", " ".join(found.caption), _pipes(header, body)]
    if found.records:
        parts += ["Bold: our best of a column.", "## Runs", _pipes(RUN_HEADER, _runs(found), left=(0, 2, 7, 8, 9))]
    return "\n\n".join(parts) + "\n"


def _pipes(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    widths = [max(3, *(len(row[i]) for row in [header, *rows])) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * w if i in left else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([line(header), line(rule), *map(line, rows)])


STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --soft: #5b6675; --rule: #d5dbe3; --good: #0b6b3a; --bad: #9a3412; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --paper: #14181e; --soft: #9aa7b8; --rule: #323b47; --good: #6ee7a8; --bad: #fdba74; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 82rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } p { max-width: 60rem; color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--rule); font-weight: 400; }
thead th { color: var(--soft); } tbody th, .left { text-align: left; }
.group { border-left: 2px solid var(--rule); } thead .group { text-align: center; }
.best { font-weight: 700; } .up { color: var(--good); } .down { color: var(--bad); } .note { color: var(--soft); font-style: italic; }
"""


def as_html(found: Outcome) -> str:
    """The outcome as one page that needs nothing else, light and dark."""
    best = _best(found)
    groups = "".join(f'<th colspan="3" scope="colgroup" class="group">{escape(t)}</th>' for t in found.columns.values())
    parts = '<th class="group" scope="col">paper</th><th scope="col">ours</th><th scope="col">difference</th>'
    body = []
    for line in found.lines:
        cells = []
        for column in found.columns:
            paper, ours, difference, top = _cells(line, column, best)
            kind = "best" if top else "" if line.ours.get(column) else "note"
            way = "up" if difference.startswith("+") else "down"
            cells.append(
                f'<td class="group">{paper}</td><td class="{kind}">{escape(ours)}</td><td class="{way}">{difference}</td>'
            )
        body.append(f'<tr><th scope="row">{escape(line.title)}</th>{"".join(cells)}</tr>')
    page = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{escape(found.title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(found.title)}</h1><p>{escape(' '.join(found.caption))}</p>",
        f'<div class="wide"><table><thead><tr><th rowspan="2"></th>{groups}</tr><tr>{parts * len(found.columns)}</tr></thead>',
        f"<tbody>{''.join(body)}</tbody></table></div>",
    ]
    if found.records:
        head = "".join(f'<th scope="col" class="left">{name}</th>' for name in RUN_HEADER)
        cells_of = ["".join(f'<td class="left">{escape(cell)}</td>' for cell in cells) for cells in _runs(found)]
        rows = "".join(f"<tr>{cells}</tr>" for cells in cells_of)
        page += [
            "<p>Bold: our best of a column.</p><h2>Runs</h2>",
            f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>',
        ]
    return "\n".join([*page, "</body></html>"]) + "\n"


def write_outcome(name: str, found: Outcome, out: Path) -> list[Path]:
    """Write NAME.md and NAME.html into `out`, each whole or not at all."""
    paths = [out / f"{name}.md", out / f"{name}.html"]
    for path, text in zip(paths, (as_markdown(found), as_html(found)), strict=True):
        write_text(path, text)
    return paths
