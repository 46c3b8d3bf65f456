"""The layers of the package: imports go down only, in no circle, and heavy libraries stay out of light modules."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import swissbert
from swissbert.tracking import TRACKERS
from swissbert.training.code_fingerprint import MODULES, WINGS

PACKAGE = Path(swissbert.__file__).parent

LAYERS = [
    {"forking", "terminal", "threads", "version", "wording"},
    {"bars", "errors", "text_table"},
    {"missing", "paths", "progress"},
    {"locks"},
    {"exclusive"},
    {"reading"},
    {"files", "display", "device"},
    {"environment", "settings", "checksums"},
    {"setting_tables", "older_settings", "weight_files"},
    {"tracking"},
    {"metrics"},
    {"kinds", "data.formats"},
    {"task_files"},
    {"task_extra", "task_words"},
    {"tasks"},
    {"holdouts", "selection"},
    {"family"},
    {"encoder"},
    {"data"},
    {"distributed"},
    {"mtl"},
    {"model"},
    {"config"},
    {"model_folder"},
    {"evaluation"},
    {"inference"},
    {"training"},
    {"experiments", "analysis", "export"},
    {"serving", "estimator", "batch", "sweeps"},
    {"cli"},
    {"__init__", "__main__"},
]
"""From the bottom up. A module imports from its own wing and from layers below; wings of one layer do not meet.

``data.formats`` is a wing of its own, below ``tasks``, because a task declares its format.
"""

RANK = {wing: rank for rank, layer in enumerate(LAYERS) for wing in layer}


def modules() -> list[str]:
    """Dotted names of all modules, without the package's own."""
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(path.parts) for path in paths)


def imported(module: str, tree: ast.AST) -> Iterator[str]:
    """Dotted names, without the package's own, of what a module imports while it runs, anywhere in it."""
    skipped = {
        node
        for check in ast.walk(tree)
        if isinstance(check, ast.If) and ast.unparse(check.test) == "TYPE_CHECKING"
        for part in check.body
        for node in ast.walk(part)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name.removeprefix("swissbert.") for name in names if name.startswith("swissbert."))


def graph() -> dict[str, set[str]]:
    """Which modules each module imports."""
    known = set(modules())
    arrows: dict[str, set[str]] = {}
    for module in known:
        path = PACKAGE / (module.replace(".", "/") + ".py")
        names = set(imported(module, ast.parse(path.read_text(encoding="utf-8"))))
        found = {name if name in known else f"{name}.__init__" for name in names}
        arrows[module] = {name for name in found if name in known and name != module}
    return arrows


def wing(module: str) -> str:
    first, second, *_ = [*module.split("."), ""]
    return f"{first}.{second}" if f"{first}.{second}" in RANK else first


def test_every_wing_has_a_place() -> None:
    assert {wing(module) for module in modules()} == set(RANK)


def test_no_import_runs_up_or_sideways() -> None:
    wrong = [
        f"{module} imports {other}"
        for module, others in graph().items()
        for other in others
        if wing(module) != wing(other) and RANK[wing(module)] <= RANK[wing(other)]
    ]
    assert wrong == []


UNDECIDING = {
    *(
        "forking",
        "missing",
        "terminal",
        "version",
        "wording",
        "bars",
        "errors",
        "text_table",
        "paths",
        "progress",
        "locks",
    ),
    *("exclusive", "reading", "files", "display", "environment", "settings", "checksums", "setting_tables"),
    *("weight_files", "older_settings", "task_files", "task_extra", "task_words", "tracking", "config", "model_folder"),
    "inference",
}
"""What training may import that decides on no number of a run, or only by what is recorded besides."""


def test_code_that_decides_on_numbers_is_fingerprinted() -> None:
    below = {wing.partition(".")[0] for wing, rank in RANK.items() if rank <= RANK["training"]}
    assert below == {*WINGS, *MODULES, *UNDECIDING}
    assert not UNDECIDING & {*WINGS, *MODULES}


def test_there_is_no_circle() -> None:
    arrows = graph()
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in sorted(arrows[module]):
                visit(other, (*path, module))
            done.add(module)

    for module in sorted(arrows):
        visit(module, ())


@pytest.mark.parametrize(
    "light",
    [
        "swissbert",
        "swissbert.batch",
        "swissbert.cli",
        "swissbert.config",
        "swissbert.data.formats",
        "swissbert.data.memory",
        "swissbert.data.splits",
        "swissbert.kinds",
        "swissbert.metrics",
        "swissbert.mtl",
        ", ".join(f"swissbert.tracking.{name}" for name in ("tracking", *TRACKERS)),
    ],
)
def test_light_modules_import_nothing_heavy(light: str) -> None:
    heavy = ("torch", "scipy", "pyarrow", "transformers", *TRACKERS)
    code = f"import sys, {light}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
