"""Full disks and disks that cannot be written: one sentence, nothing half-written, and with room all is as it should be."""

import os
import resource
import shutil
import subprocess
from collections.abc import Collection
from functools import partial
from pathlib import Path

from campaign import surroundings
from campaign.commands import MORE, files_of
from campaign.disk_bench import ONLY_LONG, Bench, left_over
from campaign.frame import Outcome, Setting
from campaign.small_disk import NoMounts, disk, make_room, mount, obey_permissions, own_mounts

SLOW = ("a table", "a report", "an ONNX file", "converted weights")
"""What takes a command a few seconds to write."""


def full_training(setting: Setting) -> Outcome:
    """Train on disks of many sizes; with room, the run goes on and is the same run."""
    bench = Bench(setting, "training on a full disk, resumed with room")
    size = sum(path.stat().st_size for path in bench.run.rglob("*") if path.is_file()) // 1024
    cases = [(f"{kb} KB", kb, 0) for kb in _spread(8, int(2.5 * size), setting.number(30, 3))]
    cases += [(f"{inodes} inodes", 10**6, inodes) for inodes in _spread(2, 30, setting.number(10, 1))]
    try:
        own_mounts()
        for name, kilobytes, inodes in cases:
            with disk(setting.folder / "disk", kilobytes, inodes) as place:
                arguments = ("train", bench.recipe, "--out", place / "new/run", "--resume")
                bench.attempt(name, arguments)
                make_room(place)
                run = place / "new/run"
                bench.attempt(
                    f"{name}, then with room", arguments, (0,), then=partial(_same_and_tidy, bench, run, place)
                )
    except NoMounts as reason:
        bench.outcome.what += f" (not tried here: {reason})"
    for kilobytes in _spread(1, 300, setting.number(12, 1)):
        limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (kilobytes << 10, kilobytes << 10))
        run = setting.folder / f"limited-{kilobytes}"
        arguments = ("train", bench.recipe, "--out", run, "--resume")
        bench.attempt(f"files of at most {kilobytes} KB", arguments, first=limit)
        bench.attempt(f"files of at most {kilobytes} KB, then any", arguments, (0,), then=partial(bench.same_run, run))
    return bench.outcome


def full_products(setting: Setting) -> Outcome:
    """Write everything else on disks of several sizes; with room, the same command gives the whole result."""
    what = "answers, exports, tables, reports on a full disk"
    if setting.short:
        return Outcome(what + ONLY_LONG)
    bench = Bench(setting, what, *MORE)
    try:
        own_mounts()
        for name in bench.writers(Path("x")):
            with disk(setting.folder / "disk", 10**6) as place:
                arguments = bench.writers(place / "out")[name]
                bench.must(*arguments)
                size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) // 1024
                whole = [path for path in files_of(place) if "events.out" not in path]  # whose name is a time
            sizes = [size // 2] if name in SLOW else _spread(4, size + 8, 4)
            for kilobytes in sizes:
                with disk(setting.folder / "disk", kilobytes) as place:
                    bench.attempt(f"{name} on {kilobytes} KB", arguments, then=partial(_odd_rest, place))
                    make_room(place)
                    then = partial(_odd_rest, place, whole)
                    if not any(place.iterdir()) or name in ("shards", "prediction files", "a table"):
                        bench.attempt(f"{name} on {kilobytes} KB, then with room", arguments, (0,), then=then)
        for kilobytes in _spread(4, 40, 5):
            with disk(setting.folder / "disk", kilobytes) as place:
                run = setting.folder / f"run-{kilobytes}"
                use = partial(os.environ.update, {"SWISSBERT_CACHE": str(place / "tokens")})
                train = ("train", bench.recipe, "--out", run)
                then = partial(_same_and_tidy, bench, run, place)
                bench.attempt(f"the token cache on {kilobytes} KB", train, (0,), use, then)
    except NoMounts as reason:
        bench.outcome.what += f" (not tried here: {reason})"
    return bench.outcome


def read_only(setting: Setting) -> Outcome:
    """Commands on a disk that cannot be written: those that only read work, the others say so."""
    what = "commands on a read-only disk, folders without permission"
    if setting.short:
        return Outcome(what + ONLY_LONG)
    bench = Bench(setting, what)
    place = setting.folder / "disk"
    place.mkdir()
    shutil.copytree(bench.run, place / "run")
    reading: dict[str, tuple[object, ...]] = {
        "predict": ("predict", place / "run", "--task", "sst", "fine"),
        "evaluate": ("evaluate", place / "run"),
        "a run elsewhere": ("train", bench.recipe, "--out", setting.folder / "elsewhere"),
    }
    writing = {
        **bench.writers(place / "out"),
        "a run": ("train", bench.recipe, "--out", place / "new"),
        "a run that goes on": ("train", "--resume", "--out", place / "run"),
    }
    try:
        own_mounts()
        mount("--bind", place, place)
        mount("-o", "remount,bind,ro", place)
        use = partial(os.environ.update, {"SWISSBERT_CACHE": str(place / "tokens")})
        for name, arguments in reading.items():
            bench.attempt(f"{name}, read-only", arguments, (0,), use)
        for name, arguments in writing.items():
            bench.attempt(f"{name}, read-only", arguments, (2,), use)
        subprocess.run(["umount", "--lazy", place], check=True)
    except NoMounts as reason:
        bench.outcome.what += f" (not tried here: {reason})"
    place.chmod(0o555)
    for name, arguments in writing.items():
        if name != "a run that goes on":
            bench.attempt(f"{name}, in a folder without permission", arguments, (2,), obey_permissions)
    bench.texts.chmod(0)
    secret = ("predict", bench.run, "--task", "sst", "--input", bench.texts)
    bench.attempt("an input without permission", secret, (2,), obey_permissions)
    return bench.outcome


def _spread(first: int, last: int, number: int) -> list[int]:
    """Return numbers from the first to the last, evenly spread."""
    return [first + (last - first) * place // max(1, number - 1) for place in range(number)]


def _same_and_tidy(bench: Bench, run: Path, place: Path) -> str | None:
    return bench.same_run(run) or left_over(place)


def _odd_rest(place: Path, whole: Collection[str] = ()) -> str | None:
    """Return what is wrong with the files of a folder: temporary ones, empty ones, and those of `whole` that are missing."""
    files = files_of(place)
    empty = [name for name, content in files.items() if not content and not name.endswith(".lock")]
    missing = sorted(set(whole) - files.keys())
    odd = f"empty: {', '.join(empty)}" if empty else f"missing: {', '.join(missing)}" if missing else None
    return left_over(place) or odd


TRIALS = {
    "full disks, training": full_training,
    "full disks, products": full_products,
    "read-only": read_only,
    "environments": surroundings.environments,
    "streams": surroundings.streams,
}
