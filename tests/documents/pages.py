"""The pages under docs/, and their blocks of code."""

import re
from pathlib import Path

from conftest import ROOT

PAGES = sorted((ROOT / "docs").rglob("*.md"))
ENGINES = ("dask", "pyspark", "ray")
"""Engines that take seconds to start: examples that use one are run by tests/engines."""
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def name_of(page: Path) -> str:
    """Return the path of a page inside docs/, for the names of tests."""
    return page.relative_to(ROOT / "docs").as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Return the commands of the shell blocks of a page; a backslash at the end of a line continues it."""
    lines = (block.replace("\\\n", " ").splitlines() for block in blocks(page, "sh"))
    return [" ".join(line.split("  ")) for block in lines for line in block]


def uses_engine(code: str) -> bool:
    """Whether a block of Python or a command starts an engine."""
    return re.search(rf"^(import|from) ({'|'.join(ENGINES)})\b|--engine ", code, re.MULTILINE) is not None
