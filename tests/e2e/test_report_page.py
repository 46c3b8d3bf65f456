"""The report in a browser: figures, sorting of tables, no requests, escaped texts, light and dark, accessibility."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

import swissbert
from axe import faults
from conftest import ROOT
from swissbert.analysis.page import LONG
from swissbert.analysis.report import analyse
from swissbert.inference.loading import load

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

STARTER = Path(swissbert.__file__).parent / "data" / "starter"
ODD = ['<img src=x onerror="window.hit=1"><script>window.hit=1</script>', "שלום עולם, 'quoted'", "🎈 & <b>bold</b>"]


@pytest.fixture(scope="module")
def report(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    data = tmp_path_factory.mktemp("data")
    for source in STARTER.glob("*.tsv"):
        lines = source.read_text(encoding="utf-8").splitlines()[:41]
        if "dev" in source.name:
            for i in range(1, 41):
                cells = lines[i].split("\t")
                lines[i] = "\t".join([cells[0], *(f"{ODD[i % 3]} {text}" for text in cells[1:-1]), cells[-1]])
        (data / source.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    page = analyse(load(tiny_run, device="cpu", precision="fp32"), data, tmp_path_factory.mktemp("out") / "report")
    torch.set_num_threads(before)
    return page


@pytest.fixture
def page(browser: "Browser", report: Path) -> "Iterator[Page]":
    """The report opened from disk; the test fails on any request or message of the console."""
    opened = browser.new_page(viewport={"width": 1100, "height": 900})
    requests: list[str] = []
    problems: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(report.as_uri())
    yield opened
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()], "the page loads nothing"
    assert problems == []
    opened.close()


def test_figures_are_visible_and_fit(page: "Page") -> None:
    figures = page.locator("figure svg")
    assert figures.count() >= 20
    for i in range(figures.count()):
        box = figures.nth(i).bounding_box()
        assert box is not None
        assert box["width"] > 300
        assert box["height"] > 80
    assert page.evaluate("document.documentElement.scrollWidth") <= 1100, "the page does not scroll sideways"


def test_markup_in_texts_is_escaped(page: "Page") -> None:
    assert page.evaluate("window.hit") is None
    shown = page.locator("#errors-sst").inner_text()
    assert ODD[0] in shown
    assert ODD[2] in shown
    assert page.locator("section img").count() == 0
    assert page.locator("section b").count() == 0
    assert page.locator("td[dir=auto]").count() > 20


def test_tables_sort_by_mouse_and_keyboard(page: "Page") -> None:
    table = page.locator("table[aria-labelledby=table-scores]")
    column = table.locator("tbody td:nth-child(3)")

    def values() -> list[float]:
        cells = [cell for cell in column.all_inner_texts() if cell != "undefined"]
        return [float(cell.replace("−", "-")) for cell in cells]

    table.evaluate("table => { table.closest('details').open = true; }")  # it is long
    head = table.locator("thead th:nth-child(3)")
    head.locator("button").click()
    assert values() == sorted(values())
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert values() == sorted(values(), reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    names = table.locator("thead th:nth-child(1)")
    names.locator("button").click()
    texts = table.locator("tbody td:nth-child(1)").all_inner_texts()
    assert texts == sorted(texts)
    assert head.get_attribute("aria-sort") is None


def test_light_and_dark_are_readable(page: "Page") -> None:
    def colours() -> tuple[str, str]:
        ink = page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
        return ink, page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.emulate_media(color_scheme="light")
    light = colours()
    page.emulate_media(color_scheme="dark")
    dark = colours()
    for ink, paper in (light, dark):
        assert _contrast(ink, paper) > 7
    assert light != dark


def test_figures_have_no_background_of_their_own(page: "Page") -> None:
    """The text colours of the page are those of the figures, so the background must be too."""
    fills = page.evaluate(
        """() => [...document.querySelectorAll('figure svg path')]
            .filter(path => path.getBoundingClientRect().width > 200 && path.getBoundingClientRect().height > 100)
            .map(path => getComputedStyle(path).fill)"""
    )
    assert fills
    assert "rgb(255, 255, 255)" not in fills


def _contrast(one: str, other: str) -> float:
    """Contrast ratio of two ``rgb(r, g, b)`` colours (WCAG 2)."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_accessibility(page: "Page", scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    assert faults(page) == []


def test_it_opens_with_a_summary_and_long_tables_are_folded(page: "Page") -> None:
    summary = page.locator("section").first
    assert summary.locator("h2").inner_text() == "Summary"
    said = summary.inner_text()
    assert "words alone" in said
    assert re.search(
        r"Sentiment of a film review \(sst\): The model is (overconfident|underconfident|well calibrated): it gives its answers "
        r"a probability of \d+%",
        said,
    )
    assert re.search(r"No task works against another \(|\w+ and \w+ work against each other \(", said)
    assert said.index("works against" if "works against" in said else "work against each") < said.index("Bonferroni")
    for table in page.locator("details").all():
        is_long = table.locator("tbody tr").count() > LONG
        assert (table.get_attribute("open") is None) == is_long


def test_the_table_of_results_fits_a_wide_screen_and_a_phone(browser: "Browser") -> None:
    opened = browser.new_page()
    opened.goto((ROOT / "results" / "minilm" / "table2.html").as_uri())
    for width in (1280, 390):
        opened.set_viewport_size({"width": width, "height": 800})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        overall = opened.locator(".scores").first.locator("td.score:nth-child(5)").first.bounding_box()
        assert overall is not None
        assert overall["x"] + overall["width"] <= width
    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme)
        assert faults(opened) == []
    opened.close()


PHONE: "ViewportSize" = {"width": 390, "height": 800}


def test_figures_fit_a_phone_or_say_that_they_scroll(page: "Page") -> None:
    assert page.locator(".scrolls").count() == 0
    page.set_viewport_size(PHONE)
    page.wait_for_function("document.querySelectorAll('.scrolls').length > 0")
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('figure')].map(figure => ({
            width: figure.querySelector('svg').getBoundingClientRect().right, text: figure.innerText.trim(),
            hint: getComputedStyle(figure.firstElementChild, '::before').content, focus: figure.firstElementChild.tabIndex }))"""
    )
    wide = [box for box in boxes if box["width"] > 390]
    assert wide
    assert len(boxes) - len(wide) >= 8, "figures of one plot"
    for box in boxes:
        assert ("Scroll sideways" in box["hint"]) == (box in wide)
        assert (box["focus"] == 0) == (box in wide), "keyboards scroll what has the focus"
    legend = page.locator("figure:has(svg[aria-label='Scores of para by threshold']) >> text=best F1").bounding_box()
    assert legend is not None
    assert legend["x"] + legend["width"] <= 390


def test_tables_on_a_phone_show_every_cell_with_its_name(page: "Page") -> None:
    page.set_viewport_size(PHONE)
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    for cell in page.locator("#summary td, #errors-para td, #scores td").all():
        if cell.inner_text():
            box = cell.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= 390
    verdict = page.locator("#summary td").nth(1)
    assert "chance" in verdict.inner_text()
    name = verdict.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert name == '"in short"'
    texts = page.locator("#errors-para td[data-head='text'], #errors-para td[data-head='second text']").all()
    assert len(texts) >= 16
    for text in texts:
        assert text.evaluate("cell => cell.getBoundingClientRect().width") > 340, "a line of its own"
    assert page.locator("#table-scores").is_visible()
    assert page.locator("table[aria-labelledby=table-scores] thead").is_visible(), "long tables can be sorted"
    assert not page.locator("table[aria-labelledby=table-summary] thead").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_accessibility_on_a_phone(page: "Page", scheme: Literal["light", "dark"]) -> None:
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("document.querySelectorAll('.scrolls').length > 0")
    assert faults(page) == []


def test_narrow_screens_and_print(page: "Page") -> None:
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
