"""Print the lower bounds of pyproject.toml as exact pins, one requirement a line.

    python .ci/lower_bounds.py dev > lower.txt
    python -m pip install --requirement lower.txt
    python -m pip install --no-deps --editable .

Arguments are names of extras; the dependencies of the package itself are always included. A requirement that names
this package (``swissbert[int8]``) stands for the requirements of that extra. Needs nothing but the standard library.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[(?P<extras>[^\]]*)\])?\s*(?P<bound>[^;]*?)\s*(?P<marker>;.*)?$")


def requirements(project: dict[str, Any], extras: list[str]) -> list[str]:
    """Return the requirements of the package and of some extras, each once, in the order of the file.

    Args:
        project: The table ``[project]`` of pyproject.toml.
        extras: Names of extras. Extras that they name are resolved.

    Raises:
        ValueError: If there is no extra of that name.
    """
    optional = project["optional-dependencies"]
    lines, queue, seen = list(project["dependencies"]), list(extras), set()
    while queue:
        extra = queue.pop(0)
        if extra in seen:
            continue
        seen.add(extra)
        if extra not in optional:
            raise ValueError(f"there is no extra '{extra}'; extras are {', '.join(sorted(optional))}")
        for line in optional[extra]:
            match = _parse(line)
            if match["name"] == project["name"]:
                queue += [name.strip() for name in match["extras"].split(",")]
            else:
                lines.append(line)
    return list(dict.fromkeys(lines))


def pinned(requirement: str) -> str:
    """Turn ``name>=1.2; marker`` into ``name==1.2; marker``; a pin is returned as it is.

    Raises:
        ValueError: If the requirement has another kind of bound, such as a range.
    """
    match = _parse(requirement)
    bound = match["bound"]
    if re.fullmatch(r"==[\w.]+", bound):
        return requirement
    if not re.fullmatch(r">=[\w.]+", bound):
        raise ValueError(f"requirement '{requirement}' is neither 'name>=version' nor 'name==version'")
    extras = f"[{match['extras']}]" if match["extras"] else ""
    return f"{match['name']}{extras}=={bound[2:]}{match['marker'] or ''}"


def _parse(requirement: str) -> re.Match[str]:
    match = REQUIREMENT.match(requirement)
    if match is None:
        raise ValueError(f"'{requirement}' is not a requirement")
    return match


if __name__ == "__main__":
    table = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    print("\n".join(pinned(line) for line in requirements(table, sys.argv[1:])))
