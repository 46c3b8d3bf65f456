"""Links of the documents lead somewhere, the site lists every page, and generated pages are complete."""

import re
from pathlib import Path

import pytest
import reference_api
import site_pages
from pages import NOTEBOOKS, PAGES
from reference_commands import commands

import swissbert
from conftest import ROOT
from swissbert.config import RunConfig
from swissbert.tasks import Task

DOCUMENTS = [
    *PAGES,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md")),
    *sorted((ROOT / "results").rglob("README.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """Return the anchors of the headings of a document, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for link in LINK.findall(FENCE.sub("", document.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        if path.startswith(("http:", "https:", "mailto:")):
            continue
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link}: there is no such file"
        if anchor:
            assert anchor in anchors(target), f"{link}: there is no such heading"


def test_the_site_lists_every_page_once() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    entries = [
        line for block in re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL) for line in block.split("\n")
    ]
    listed = [entry for entry in entries if entry and not entry.startswith(":")]
    pages = [path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in [*PAGES, *NOTEBOOKS]]
    assert sorted(entry for entry in listed if not entry.startswith("/")) == sorted(set(pages) - {"index"})
    for entry in listed:
        if entry.startswith("/"):
            assert (ROOT / f"{entry[1:]}.md").is_file(), entry


def test_the_reference_has_every_setting_with_its_meaning() -> None:
    text = site_pages.generated("<!-- generated: settings -->")
    for name in RunConfig.model_fields["train"].annotation.model_fields:  # type: ignore[union-attr]
        assert f"(train.{name})=\n" in text
    for name in Task.model_fields:
        assert f"(tasks.{name})=\n" in text
    assert "number above 0 to 1 · chosen when training starts if left out\n\n  Learning rate of the encoder." in text
    assert "`sum`, `learnable`" in text


def test_the_reference_has_every_command() -> None:
    text = site_pages.generated("<!-- generated: commands -->")
    names = [name for name, _ in commands()]
    assert {"swissbert train", "swissbert data check"} <= set(names)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == names
    assert "`--resume`\n: Resume the run in --out." in text


def test_the_reference_has_every_public_name() -> None:
    text = site_pages.generated("<!-- generated: api -->")
    for name in swissbert.__all__:
        assert name == "__version__" or f":: swissbert.{name}\n" in text
    assert len(reference_api.NAMES) > len(swissbert.__all__)  # the estimators too
