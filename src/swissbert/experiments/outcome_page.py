"""The outcome of a table as one HTML page that loads nothing: light and dark, from a phone to a wide screen."""

from collections.abc import Callable, Iterator, Sequence
from html import escape

from swissbert.experiments.outcome import Line, Outcome
from swissbert.experiments.outcome_cells import (
    INTERVAL,
    RUN_HEADER,
    SOUP_HEADER,
    Cell,
    best_note,
    best_scores,
    cell,
    further_columns,
    interval_cell,
    run_cells,
    soup_cells,
)

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --page: #fff; --soft: #5b6675; --rule: #d5dbe3; --good: #0b6b3a; --bad: #9a3412; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --page: #14181e; --soft: #9aa7b8; --rule: #323b47; --good: #6ee7a8; --bad: #fdba74; }
}
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--page); }
main { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 78rem; }
h1 { font-size: 1.4rem; margin: 0 0 .6rem; } p { max-width: 62rem; margin: .4rem 0; color: var(--soft); overflow-wrap: anywhere; }
summary { cursor: pointer; margin-top: 1.4rem; font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-top: 1rem; }
th, td { padding: .35rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); font-weight: 400; }
thead th { color: var(--soft); vertical-align: bottom; }
.scores { width: 100%; }
.scores tbody th { min-width: 12rem; }
.score, .further { border-left: 1px solid var(--rule); text-align: right; white-space: nowrap; }
.three { display: inline-grid; grid-template-columns: 3.1rem 3.3rem 3.9rem; text-align: right; }
.three > .name { grid-column: 1 / -1; text-align: center; color: var(--ink); }
.best { font-weight: 700; } .up { color: var(--good); } .down { color: var(--bad); }
.paper, .note, small { color: var(--soft); } .note { font-style: italic; } small { display: block; font-size: .82em; font-weight: 400; }
.of { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.runs { white-space: nowrap; font-size: .9rem; }
@media (max-width: 60rem) {
  main { padding: 1rem .8rem 3rem; }
  .scores, .scores thead, .scores tbody { display: block; }
  .scores tr { display: grid; grid-template-columns: repeat(var(--columns), 1fr); border-bottom: 1px solid var(--rule); padding: .35rem 0; }
  .scores th, .scores td { border: 0; padding: .1rem .2rem; white-space: normal; text-align: right; }
  .scores tbody th { grid-column: 1 / -1; text-align: left; min-width: 0; }
  .scores thead { position: sticky; top: 0; background: var(--page); } .scores thead td { display: none; }
  .three { display: block; } .scores thead .three > span:not(.name) { display: none; }
  .three > .name { text-align: right; }
  .three > span { display: block; } .three > .paper { font-size: .82em; }
  .score .three { display: flex; flex-direction: column; } .score .three > .ours { order: -1; }
  .of { position: static; width: auto; height: auto; clip-path: none; }
}
"""
MINUS = "−"


def as_html(result: Outcome) -> str:
    """Format the outcome as one page. Rows that were not run are folded below those that were."""
    finished = [line for line in result.lines if line.note != "not run"]
    waiting = [line for line in result.lines if line.note == "not run"]
    page = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(result.title)}</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{escape(result.title)}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in result.caption),
    ]
    if finished:
        page.append(_scores(finished, result))
        if best_scores(result):
            page.append(f"<p>Bold: {best_note(result)}.</p>")
    if waiting:
        rows = sum(not line.of_test for line in waiting)
        count = f"{rows} row{' is' if rows == 1 else 's are'} not run"
        page.append(_folded(count, _scores(waiting, result), is_open=not finished))
    if runs := run_cells(result):
        page.append(
            _folded(
                f"Runs: steps, speed, time, commit and machine of {len(runs)}",
                _plain(RUN_HEADER, runs, "Runs in detail"),
            )
        )
    if soups := soup_cells(result):
        page.append(_folded("Soups: models that were tried", _plain(SOUP_HEADER, soups, "Soups in detail")))
    return "\n".join([*page, "</main></body></html>"]) + "\n"


def _scores(lines: Sequence[Line], result: Outcome) -> str:
    """Return a table of scores. Roles are written out, as narrow screens lay its rows out as grids."""
    further = _further(result)
    names = "".join(_heading(title, column, result) for column, title in result.columns.items())
    names += "".join(f'<th role="columnheader" scope="col" class="further">{escape(name)}</th>' for name in further)
    head = f'<thead role="rowgroup"><tr role="row"><td role="cell"></td>{names}</tr></thead>'
    body = "".join(_rows(lines, result))
    style = f'style="--columns: {len(result.columns) + len(further)}"'
    return f'<table role="table" class="scores" {style}>{head}<tbody role="rowgroup">{body}</tbody></table>'


def _heading(title: str, column: str, result: Outcome) -> str:
    span = "<small>95 % interval</small>" if column == "overall" and result.has_intervals else ""
    name = f"{escape(title)}{span}"
    if result.has_paper:
        name = f'<span class="three"><span class="name">{name}</span><span>paper</span><span>ours</span><span>diff.</span></span>'
    return f'<th role="columnheader" scope="col" class="score">{name}</th>'


def _rows(lines: Sequence[Line], result: Outcome) -> Iterator[str]:
    best = best_scores(result)
    further = _further(result)
    for line in lines:
        cells = []
        for column in result.columns:
            span = interval_cell(line) if column == "overall" else ""
            content = _score(cell(line, column, best), span, has_paper=result.has_paper)
            cells.append(f'<td role="cell" class="score">{content}</td>')
        cells += [f'<td role="cell" class="further">{text(line)}</td>' for text in further.values()]
        yield f'<tr role="row"><th role="rowheader" scope="row">{escape(line.title)}</th>{"".join(cells)}</tr>'


def _further(result: Outcome) -> dict[str, Callable[[Line], str]]:
    """Return the columns right of the scores. The interval of overall stands below the score."""
    return {name: text for name, text in further_columns(result).items() if name != INTERVAL}


def _score(score: Cell, interval: str, *, has_paper: bool) -> str:
    """Return the content of a cell: our score with its spread and interval, between the paper's and the difference."""
    small = "".join(f"<small>{escape(text)}</small>" for text in (score.spread, interval) if text)
    is_score = score.ours[-1:].isdigit()
    ours = score.ours if is_score or not has_paper else f"<small>{escape(score.ours)}</small>"
    kind = "best" if score.is_best else "" if is_score else "note"
    ours = f'<span class="ours {kind}">{ours}{small}</span>'
    if not has_paper:
        return ours
    paper = f'<span class="of">paper </span>{score.paper}' if score.paper else ""
    way = "down" if score.difference.startswith(MINUS) else "up"
    return f'<span class="three"><span class="paper">{paper}</span>{ours}<span class="{way}">{score.difference}</span></span>'


def _folded(title: str, content: str, *, is_open: bool = False) -> str:
    return f"<details{' open' if is_open else ''}><summary>{escape(title)}</summary>{content}</details>"


def _plain(header: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> str:
    """Return a table of text, which scrolls sideways where it does not fit; the label is its accessible name."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>" for cells in rows)
    table = f'<table class="runs"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}">{table}</div>'
