"""The outcome of a table as files: Markdown and an HTML page."""

from collections.abc import Sequence
from pathlib import Path

from swissbert.experiments.outcome import Outcome
from swissbert.experiments.outcome_cells import (
    RUN_HEADER,
    SOUP_HEADER,
    best_note,
    best_scores,
    cell,
    further_columns,
    run_cells,
    soup_cells,
)
from swissbert.experiments.outcome_page import as_html
from swissbert.files import write_text


def as_markdown(result: Outcome) -> str:
    """Format the outcome in Markdown with aligned columns."""
    best = best_scores(result)
    parts = (" paper", " ours", " diff.") if result.has_paper else ("",)
    header = ["", *(f"{title}{part}" for title in result.columns.values() for part in parts)]
    further = further_columns(result)
    header += further
    body = []
    for line in result.lines:
        cells = [line.title]
        for column in result.columns:
            score = cell(line, column, best)
            shown = f"{score.ours} {score.spread}".strip()
            shown = f"**{shown}**" if score.is_best else shown
            cells += [score.paper, shown, score.difference] if result.has_paper else [shown]
        body.append(cells + [text(line) for text in further.values()])
    text = [f"# {result.title}", " ".join(result.caption), _pipes(header, body)]
    if best:
        text += [f"Bold: {best_note(result)}."]
    if runs := run_cells(result):
        text += ["## Runs", _pipes(RUN_HEADER, runs, left=(0, 2, 7, 8, 9))]
    if soups := soup_cells(result):
        text += ["## Soups", _pipes(SOUP_HEADER, soups, left=(0, 2, 5))]
    return "\n\n".join(text) + "\n"


def _pipes(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    widths = [max(3, *(len(row[i]) for row in [header, *rows])) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * w if i in left else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def write_outcome(name: str, result: Outcome, out: Path) -> list[Path]:
    """Write ``NAME.md`` and ``NAME.html`` into `out`, each atomically; return their paths."""
    paths = [out / f"{name}.md", out / f"{name}.html"]
    for path, text in zip(paths, (as_markdown(result), as_html(result)), strict=True):
        write_text(path, text)
    return paths
