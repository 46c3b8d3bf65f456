"""The report as files: one HTML page that needs nothing else, figures as PNG and SVG, tables as CSV."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from swissbert.analysis.style import INK, RULE, SOFT, rendered
from swissbert.errors import SwissbertError
from swissbert.files import need_name, write_folder

MARK = "swissbert-report.json"
"""A folder with this file in it was written here, and may be replaced."""


@dataclass(frozen=True)
class Picture:
    """A figure, the name of its files, and what a person who does not see it is told."""

    name: str
    figure: Figure
    about: str


@dataclass(frozen=True)
class Table:
    """A table, the name of its CSV file, and its title. Numbers sort as numbers; texts are shown as they are."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    digits: int = 3


@dataclass
class Section:
    """A part of the page: an anchor, a title, a sentence or two, and pictures and tables in order."""

    anchor: str
    title: str
    text: str
    parts: list[Picture | Table] = field(default_factory=list)


def inline_svg(name: str, file: bytes) -> str:
    """An SVG file to stand in a page: ids of its own where they are used, the page's colours, no metadata."""
    text = file.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: f' id="svg-{name}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>svg-{name}-", text)
    for colour, variable in ((INK, "ink"), (SOFT, "soft"), (RULE, "rule")):
        text = text.replace(colour, f"var(--{variable})")
    return re.sub(r"<svg ", '<svg role="img" ', text, count=1)


def write_page(out: Path, title: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section]) -> Path:
    """Write ``index.html``, ``figures/`` and ``tables/`` into `out`, whole or not at all; an earlier report is replaced.

    Raises SwissbertError where `out` holds something else.
    """
    import jinja2
    from markupsafe import Markup

    check_out(out)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((Path(__file__).parent / "report.html.jinja").read_text(encoding="utf-8"))
    parts = [part for each in sections for part in each.parts]
    svg = {part.name: rendered(part.figure, "svg") for part in parts if isinstance(part, Picture)}
    pictures = {name: Markup(inline_svg(name, file)) for name, file in svg.items()}
    page = template.render(title=title, facts=facts, sections=sections, pictures=pictures, cell=cell)

    def fill(new: Path) -> None:
        (new / "figures").mkdir()
        (new / "tables").mkdir()
        for part in parts:
            if isinstance(part, Picture):
                (new / "figures" / f"{part.name}.svg").write_bytes(svg[part.name])
                (new / "figures" / f"{part.name}.png").write_bytes(rendered(part.figure, "png"))
            else:
                with (new / "tables" / f"{part.name}.csv").open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerows([part.header, *part.rows])
        (new / "index.html").write_text(page, encoding="utf-8")
        (new / MARK).write_text("{}\n", encoding="utf-8")

    write_folder(out, fill)
    return out / "index.html"


def check_out(out: Path) -> None:
    """Raise SwissbertError where a report must not be written."""
    need_name(out, "report")
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / MARK).is_file())):
        raise SwissbertError(f"{out}: holds something that is no report; another --out keeps it")


def cell(value: Any, digits: int) -> str:
    """A table's cell as text: fractions with `digits` digits, whole numbers with separators."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.{digits}f}".replace("-", "−")
    return f"{value:,}" if isinstance(value, int) else str(value)
