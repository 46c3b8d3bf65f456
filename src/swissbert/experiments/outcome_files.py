"""The outcome of a table in Markdown and as an HTML page."""

import statistics
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from swissbert.experiments.outcome import Line, Outcome
from swissbert.files import write_text

RUN_HEADER = ["row", "seed", "tasks", "steps", "best at", "tokens/s", "minutes in steps", "commit", "date", "machine"]
"""Columns of the table of runs."""

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


def cells_of(line: Line, column: str, best: dict[str, float]) -> tuple[str, str, str, bool]:
    """Format a column of a line: the paper's score, ours and the difference; and whether ours is the best."""
    paper = line.paper.get(column)
    values = line.ours.get(column, [])
    shown = "" if paper is None else f"{paper:.3f}"
    if not values:
        return shown, line.note, "", False
    mean = statistics.fmean(values)
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    difference = "" if paper is None else f"{mean - paper:+.3f}".replace("-", "−")
    return shown, f"{mean:.3f}{spread}".replace("-", "−"), difference, mean == best.get(column)


def best_of(result: Outcome) -> dict[str, float]:
    """Return our highest mean score of each column that has several."""
    best: dict[str, float] = {}
    for column in result.columns:
        means = [statistics.fmean(line.ours[column]) for line in result.lines if line.ours.get(column)]
        if len(means) > 1:
            best[column] = max(means)
    return best


def _run_cells(result: Outcome) -> list[list[str]]:
    """Return the cells of the table of runs, in the order of `RUN_HEADER`."""
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
        for record in result.records
        for run in record.runs
    ]


def _short(commit: str) -> str:
    """Shorten a commit to ten digits, and keep the mark of uncommitted changes."""
    digits, plus, changes = commit.partition("+")
    return digits[:10] + plus + changes


def as_markdown(result: Outcome) -> str:
    """Format the outcome in Markdown with aligned columns."""
    best = best_of(result)
    header = ["", *(f"{title}{part}" for title in result.columns.values() for part in (" paper", " ours", " diff."))]
    body = []
    for line in result.lines:
        cells = []
        for column in result.columns:
            paper, ours, difference, top = cells_of(line, column, best)
            cells += [paper, f"**{ours}**" if top else ours, difference]
        body.append([line.title, *cells])
    parts = [f"# {result.title}", " ".join(result.caption), _pipes(header, body)]
    if result.records:
        parts += [
            "Bold: our best of a column.",
            "## Runs",
            _pipes(RUN_HEADER, _run_cells(result), left=(0, 2, 7, 8, 9)),
        ]
    return "\n\n".join(parts) + "\n"


def _pipes(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    widths = [max(3, *(len(row[i]) for row in [header, *rows])) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * w if i in left else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def as_html(result: Outcome) -> str:
    """Format the outcome as one self-contained page, light and dark."""
    groups = "".join(
        f'<th colspan="3" scope="colgroup" class="group">{escape(t)}</th>' for t in result.columns.values()
    )
    parts = '<th class="group" scope="col">paper</th><th scope="col">ours</th><th scope="col">difference</th>'
    head = f'<tr><th rowspan="2"></th>{groups}</tr><tr>{parts * len(result.columns)}</tr>'
    page = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{escape(result.title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(result.title)}</h1><p>{escape(' '.join(result.caption))}</p>",
        f'<div class="wide"><table><thead>{head}</thead>',
        f"<tbody>{''.join(_html_lines(result))}</tbody></table></div>",
    ]
    if result.records:
        page += _html_runs(result)
    return "\n".join([*page, "</body></html>"]) + "\n"


def _html_lines(result: Outcome) -> Iterator[str]:
    best = best_of(result)
    for line in result.lines:
        cells = []
        for column in result.columns:
            paper, ours, difference, top = cells_of(line, column, best)
            kind = "best" if top else "" if line.ours.get(column) else "note"
            way = "up" if difference.startswith("+") else "down"
            cells.append(
                f'<td class="group">{paper}</td><td class="{kind}">{escape(ours)}</td><td class="{way}">{difference}</td>'
            )
        yield f'<tr><th scope="row">{escape(line.title)}</th>{"".join(cells)}</tr>'


def _html_runs(result: Outcome) -> list[str]:
    head = "".join(f'<th scope="col" class="left">{name}</th>' for name in RUN_HEADER)
    lines = ["".join(f'<td class="left">{escape(cell)}</td>' for cell in cells) for cells in _run_cells(result)]
    rows = "".join(f"<tr>{cells}</tr>" for cells in lines)
    return [
        "<p>Bold: our best of a column.</p><h2>Runs</h2>",
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>',
    ]


def write_outcome(name: str, result: Outcome, out: Path) -> list[Path]:
    """Write ``NAME.md`` and ``NAME.html`` into `out`, each atomically; return their paths."""
    paths = [out / f"{name}.md", out / f"{name}.html"]
    for path, text in zip(paths, (as_markdown(result), as_html(result)), strict=True):
        write_text(path, text)
    return paths
