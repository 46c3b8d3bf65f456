"""Every message that the page Troubleshooting quotes is one of the program's."""

import ast
import re

import pytest

from conftest import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
QUOTES = re.findall(r"^\| `(.+?)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def template(node: ast.expr) -> str:
    """Return the text of a literal, with an ellipsis for each value that is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.FormattedValue):
        return "'…'" if node.conversion == ord("r") else "…"
    return "".join(map(template, node.values)) if isinstance(node, ast.JoinedStr) else ""


@pytest.fixture(scope="module")
def templates() -> str:
    """Return all texts of the source, with a null character between them."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "src").rglob("*.py")))
    return "\0".join({template(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.expr)})


def test_the_page_has_the_messages_that_users_meet() -> None:
    assert len(QUOTES) >= 40
    assert len(set(QUOTES)) == len(QUOTES)


def is_message(quote: str, templates: str) -> bool:
    """Whether a text of the source holds the parts of a quotation, in their order."""
    return re.search(r"[^\0]*?".join(map(re.escape, quote.split("…"))), templates) is not None


@pytest.mark.parametrize("quote", QUOTES)
def test_a_quoted_message_is_in_the_source(quote: str, templates: str) -> None:
    assert is_message(quote.replace("\\|", "|"), templates), f"no message of the program is like: {quote}"


def test_a_message_that_does_not_exist_is_noticed(templates: str) -> None:
    assert is_message("no recipe '…'", templates)
    assert not is_message("no recipe … of this kind", templates)
