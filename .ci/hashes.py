"""Write hashes.txt: the pins of constraints.txt with the SHA-256 of each file that the package index has for them.

    python .ci/hashes.py [WHEEL ...]

The hashes are those of all platforms, and come from the index by way of uv, which has to be installed. Further wheels of
pinned versions may be named, such as CPU builds of torch, which PyPI does not have. Hashes that the file already has for a
pin are kept.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS, HASHES = ROOT / "constraints.txt", ROOT / "hashes.txt"
HEADER = """\
# The pins of constraints.txt with the SHA-256 of their files, made by `make lock`.
# python -m pip install --require-hashes -r hashes.txt && python -m pip install --no-deps --no-build-isolation .
"""


def read(text: str) -> dict[str, set[str]]:
    """Return the SHA-256 hashes of each pin, ``name==version``, in a requirements file."""
    entries = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines()
    return {
        entry.split()[0]: set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry)) for entry in entries if entry.strip()
    }


def written(hashes: dict[str, set[str]]) -> str:
    """Return a requirements file with hashes, sorted, so that changes are easy to read."""
    entries = (" \\\n    ".join([pin, *(f"--hash={value}" for value in sorted(hashes[pin]))]) for pin in hashes)
    return HEADER + "".join(f"{entry}\n" for entry in entries)


def from_index() -> dict[str, set[str]]:
    """Ask the package index for the hashes of all pins."""
    command = [
        "uv",
        "pip",
        "compile",
        str(CONSTRAINTS),
        "--no-deps",
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
    ]
    done = subprocess.run([*command, "--quiet", "--no-config"], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: uv cannot tell the hashes: {done.stderr.strip()}")
    return {normalised(pin): values for pin, values in read(done.stdout).items()}


def normalised(pin: str) -> str:
    """Return a pin with its name in lower case and hyphens, in which names are the same however they are written."""
    name, _, version = pin.partition("==")
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"


def main() -> None:
    """Write the file."""
    pins = list(map(normalised, read(CONSTRAINTS.read_text(encoding="utf-8"))))
    hashes = from_index()
    before = read(HASHES.read_text(encoding="utf-8")) if HASHES.exists() else {}
    for pin in pins:
        hashes[pin] = hashes.get(pin, set()) | before.get(pin, set())
    for wheel in map(Path, sys.argv[1:]):
        name, version, *_ = wheel.name.split("-")
        pin = normalised(f"{name}=={version.partition('+')[0]}")
        if pin not in pins:
            sys.exit(f"error: {wheel.name} is no file of a pin of constraints.txt")
        hashes[pin].add(f"sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
    if lacking := [pin for pin in pins if not hashes[pin]]:
        sys.exit(f"error: the index has no hash of {', '.join(lacking)}")
    HASHES.write_text(written({pin: hashes[pin] for pin in sorted(pins)}), encoding="utf-8")


if __name__ == "__main__":
    main()
