"""Two processes that write one path, links laid at temporary names, permissions, and locks under many processes."""

import os
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from campaign.commands import Command, files_of, kill_at, odd_end, warm_up
from campaign.frame import Outcome, Setting, Trial
from campaign.inputs import recipe, tiny_encoder

Arguments = Callable[[Path], Sequence[object]]
"""The command line that writes to a path."""
SECRET = "not to be written"


def trained(setting: Setting, name: str, seed: int = 0) -> Path:
    """Return a run folder with a model of 2 layers and random weights, trained for 3 steps."""
    encoder = tiny_encoder(setting.folder / f"{name}-encoder", seed, 8)
    settings = recipe(setting.folder / f"{name}.toml", encoder, 3, checkpoint_every=100, tensorboard=False)
    out = setting.folder / name
    done = Command(setting.folder, ["train", settings, "--out", out])
    if done.wait() != 0:
        raise RuntimeError(done.text)
    return out


def texts_file(setting: Setting, name: str, rows: int) -> Path:
    """Write a file with a text on each line."""
    path = setting.folder / name
    path.write_text("".join(f"a good film {'very ' * (row % 30)}{row}\n" for row in range(rows)), encoding="utf-8")
    return path


def contents(path: Path) -> dict[str, bytes]:
    """Return the contents of a file, or of all files of a folder by name; empty if there is neither."""
    return {"": path.read_bytes()} if path.is_file() else files_of(path) if path.is_dir() else {}


def left_beside(path: Path) -> list[str]:
    """Return hidden names beside a path that belong to it."""
    return [one.name for one in path.parent.iterdir() if one.name.startswith(f".{path.name}.")]


def _pairs(setting: Setting, outcome: Outcome, name: str, pair: Sequence[Arguments], number: int) -> None:
    """Run two commands on one path at once, again and again, and compare with what each writes alone."""
    ending = ".jsonl" if name.startswith("file") else ".toml" if name == "init" else ""
    alone = []
    for index, arguments in enumerate(pair):
        path = setting.folder / name / f"alone-{index}" / f"out{ending}"
        path.parent.mkdir(parents=True)
        done = Command(setting.folder, arguments(path))
        if done.wait() != 0:
            raise RuntimeError(done.text)
        alone.append(contents(path))
    for turn in range(number):
        path = setting.folder / name / str(turn) / f"out{ending}"
        path.parent.mkdir()
        processes = []
        for arguments in pair:
            processes.append(Command(setting.folder, arguments(path)))
            time.sleep(0.01 * (turn % 4))
        codes = [process.wait() for process in processes]
        ends = [odd_end(code, process.text, (0, 2)) for code, process in zip(codes, processes, strict=True)]
        found = contents(path)
        fault = next((f"{name}: {end}" for end in ends if end is not None), None)
        if 0 not in codes:
            fault = fault or f"{name}: both were refused"
        for code, result in zip(codes, alone, strict=True):
            if code == 0 and found != result and not (codes == [0, 0] and found in alone):  # one after the other
                fault = fault or f"{name}: a process said it had succeeded, and its result is not there ({codes})"
        if rest := left_beside(path):
            fault = fault or f"{name}: left {rest}"
        outcome.count(fault)


def pairs(setting: Setting) -> Outcome:
    """Two processes with one output, for every command that writes: one result is there, and a loser says so."""
    warm_up()
    outcome = Outcome("two processes that write one file or folder")
    one, other = trained(setting, "one"), trained(setting, "other", 5)
    many, few = texts_file(setting, "many.txt", setting.number(600, 60)), texts_file(setting, "few.txt", 50)

    def predict(model: Path, texts: Path, option: str) -> Arguments:
        return lambda out: ["predict", model, "--task", "sst", "--input", texts, option, out]

    def export(model: Path, form: str) -> Arguments:
        return lambda out: ["export", model, "--format", form, "--out", out]

    kinds: dict[str, tuple[int, int, Sequence[Arguments]]] = {
        "file": (12, 2, [predict(one, many, "--output"), predict(other, few, "--output")]),
        "hf": (12, 1, [export(one, "hf"), export(other, "hf")]),
        "compact": (4, 0, [export(one, "compact"), export(other, "compact")]),
        "onnx": (2, 0, [export(one, "onnx"), export(other, "onnx")]),
        "shards": (4, 0, [predict(one, many, "--output-dir"), predict(other, few, "--output-dir")]),
        "submit": (6, 1, [lambda out: ["submit", one, "--out", out], lambda out: ["submit", other, "--out", out]]),
        "analyse": (2, 0, [lambda out: ["analyse", one, "--out", out], lambda out: ["analyse", other, "--out", out]]),
    }
    tables = [setting.folder / f"{name}.csv" for name in ("first", "second")]
    for table, words in zip(tables, (("yes", "no"), ("up", "down")), strict=True):
        table.write_text("text,label\n" + "".join(f"text {row},{words[row % 2]}\n" for row in range(40)))
    inits = [lambda out, table=table: ["init", table, "--out", out] for table in tables]
    kinds["init"] = (4, 0, inits)
    for name, (full, short, pair) in kinds.items():
        if number := setting.number(full, short):
            _pairs(setting, outcome, name, pair, number)
    return outcome


def trainings(setting: Setting) -> Outcome:
    """Two trainings with one run folder, and two data files that train into one: one is refused."""
    warm_up()
    outcome = Outcome("two trainings with one run folder")
    encoder = tiny_encoder(setting.folder / "encoder", 0, 8)
    names = ("first", "second")
    for table, words in zip(names, (("yes", "no"), ("up", "down")), strict=True):
        lines = "".join(f"text {row},{words[row % 2]}\n" for row in range(40))
        (setting.folder / f"{table}.csv").write_text(f"text,label\n{lines}")
    for turn in range(setting.number(6, 1)):
        is_table, out = bool(turn % 2), setting.folder / f"run-{turn}"
        pair = []
        for seed, name in enumerate(names):
            if is_table:
                sets = [f"encoder.name={encoder}", "train.max_steps=4", "train.baseline=false", "train.batch_size=4"]
                source: list[object] = [
                    setting.folder / f"{name}.csv",
                    *(part for one in sets for part in ("--set", one)),
                ]
            else:
                source = [recipe(setting.folder / f"{name}.toml", encoder, 6), "--set", f"seed={seed}"]
            pair.append(Command(setting.folder, ["train", *source, "--out", out]))
        codes = [process.wait() for process in pair]
        fault = next(
            (end for code, one in zip(codes, pair, strict=True) if (end := odd_end(code, one.text, (0, 2)))), None
        )
        if sorted(map(str, codes)) != ["0", "2"]:
            fault = fault or f"two trainings ended with {codes}: {[process.text[-200:] for process in pair]}"
        else:
            written = (out / "config.toml").read_text(encoding="utf-8")
            mark = ('"yes"', '"up"') if is_table else ("seed = 0", "seed = 1")
            if mark[codes.index(0)] not in written or (
                is_table and mark[codes.index(2)] in (out / "recipe.toml").read_text()
            ):
                fault = fault or "the run folder has the settings of the one that was refused"
        if rest := [path.name for path in out.rglob(".*")]:
            fault = fault or f"left {rest}"
        outcome.count(fault)
    return outcome


def links(setting: Setting) -> Outcome:
    """Links that others lay at names beside an output lead nowhere; a link that is the output is kept."""
    warm_up()
    outcome = Outcome("links laid beside outputs, and outputs that are links")
    one, texts = trained(setting, "one"), texts_file(setting, "texts.txt", 20)
    victim, folder = setting.folder / "victim", setting.folder / "victims"
    folder.mkdir()
    commands: dict[str, Arguments] = {
        "predict": lambda out: ["predict", one, "--task", "sst", "--input", texts, "--output", out],
        "export": lambda out: ["export", one, "--format", "hf", "--out", out],
        "submit": lambda out: ["submit", one, "--out", out],
    }
    for name, arguments in list(commands.items())[: setting.number(3, 1)]:
        for ending in ("new", "writing", "lock", "old", "tmp")[: setting.number(5, 2)]:
            for aim in (victim, folder, setting.folder / "made")[: setting.number(3, 1)]:
                victim.write_text(SECRET)
                out = setting.folder / f"{name}-{time.time_ns()}" / "out"
                out.parent.mkdir()
                names = [f".out.{ending}"] if name != "submit" else [f"out/.sst-dev-output.csv.{ending}", "out/.lock"]
                for link in names:
                    (out.parent / link).parent.mkdir(exist_ok=True)
                    (out.parent / link).symlink_to(aim)
                process = Command(setting.folder, arguments(out))
                fault = odd_end(process.wait(), process.text, (0, 2))
                if victim.read_text() != SECRET or any(folder.iterdir()) or (setting.folder / "made").exists():
                    fault = f"{name} wrote through a link at {names[0]}"
                outcome.count(fault)
    target = setting.folder / "answers.jsonl"
    output = setting.folder / "link.jsonl"
    target.write_text("old")
    output.symlink_to(target)
    process = Command(setting.folder, commands["predict"](output))
    fault = odd_end(process.wait(), process.text, (0,))
    if not output.is_symlink() or len(target.read_text().splitlines()) != 20:
        fault = fault or "an output that is a link was replaced itself"
    outcome.count(fault)
    return outcome


def permissions(setting: Setting) -> Outcome:
    """Files and folders that are replaced keep their permissions; new ones follow the umask."""
    outcome = Outcome("permissions of what is replaced and of what is new")
    from swissbert.files import write_folder, write_text

    def fill(new: Path) -> None:
        (new / "a").write_text("x")

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    for number, before in enumerate((0o600, 0o640, 0o644, 0o664, 0o400)):
        path = setting.folder / f"file-{number}"
        path.write_text("old")
        path.chmod(before)
        write_text(path, "new")
        outcome.count(None if mode(path) == before else f"a file of mode {before:o} became {mode(path):o}")
        folder = setting.folder / f"folder-{number}"
        write_folder(folder, fill)
        folder.chmod(before | 0o300 | (before & 0o044) >> 2)
        (folder / "a").chmod(before)
        kept = mode(folder)
        write_folder(folder, fill)
        is_kept = (mode(folder), mode(folder / "a")) == (kept, before)
        outcome.count(None if is_kept else f"a folder of mode {kept:o} became {mode(folder):o}")
    for mask in (0o022, 0o077, 0o027):
        earlier = os.umask(mask)
        write_text(setting.folder / f"new-{mask:o}", "x")
        write_folder(setting.folder / f"new-folder-{mask:o}", fill)
        os.umask(earlier)
        found = mode(setting.folder / f"new-{mask:o}"), mode(setting.folder / f"new-folder-{mask:o}")
        outcome.count(None if found == (0o666 & ~mask, 0o777 & ~mask) else f"umask {mask:o} gives {found}")
    return outcome


def locks(setting: Setting) -> Outcome:
    """Processes that lock one path again and again, where the folder or the lock is made and removed each time."""
    outcome = Outcome("locks taken by three processes at once")
    seconds = setting.number(8, 1)

    def hold(kind: str) -> None:
        from swissbert.errors import SwissbertError
        from swissbert.files import locked, only_writer

        end, held, both, odd = time.monotonic() + seconds, 0, 0, ""
        while time.monotonic() < end:
            try:
                place = setting.folder / kind / "deep" / "place"
                with locked(place) if kind == "locked" else only_writer(place, creates_parents=True):
                    held += 1
                    try:
                        os.close(os.open(setting.folder / f"{kind}-marker", os.O_CREAT | os.O_EXCL))
                        time.sleep(0.0002)
                        (setting.folder / f"{kind}-marker").unlink()
                    except FileExistsError:
                        both += 1
            except SwissbertError as error:
                odd = odd if "another process" in str(error) else str(error)
            except Exception as error:
                odd = repr(error)
        print(f"RESULT|{held}|{both}|{odd}")

    for kind in ("locked", "only_writer"):
        processes = [Command(setting.folder, instead=lambda kind=kind: hold(kind)) for _ in range(3)]  # type: ignore[misc]
        for process in processes:
            process.wait(seconds + 60)
            _, held, both, odd = process.text.strip().rsplit("\n")[-1].split("|")
            outcome.tried += int(held)
            outcome.well += int(held) - int(both)
            if int(both) or odd:
                outcome.faults.append(f"{kind}: held by two {both} times of {held}; {odd}")
        if rest := [path.name for path in (setting.folder / kind).rglob("*") if not path.is_dir()]:
            outcome.faults.append(f"{kind}: left {rest}")
    return outcome


def small_files(setting: Setting) -> Outcome:
    """Processes that write one short file at once, as tables that share a folder do: none fails, and it is one's."""
    outcome = Outcome("three processes that write one short file")
    path, number = setting.folder / "table.md", setting.number(400, 40)

    def write() -> None:
        from swissbert.files import write_text

        for _ in range(number):
            write_text(path, f"{os.getpid()} " * 200 + "\n")

    for process in [Command(setting.folder, instead=write) for _ in range(3)]:
        fault = odd_end(process.wait(), process.text, (0,))
        outcome.tried += number
        outcome.well += 0 if fault else number
        outcome.faults += [fault] if fault else []
    if len(set(path.read_text().split())) != 1:
        outcome.faults.append("the file is of several writers")
    if rest := left_beside(path):
        outcome.faults.append(f"left {rest}")
    return outcome


def privacy(setting: Setting) -> Outcome:
    """The token cache and the temporary folders of estimators are for their owner alone, those of before included."""
    warm_up()
    outcome = Outcome("who may read tokens and temporary folders")
    os.umask(0o022)
    cache, temporary = setting.folder / "cache", setting.folder / "tmp"
    temporary.mkdir(mode=0o1777)
    settings = recipe(setting.folder / "my.toml", tiny_encoder(setting.folder / "encoder", 0, 8), 3)

    def begin() -> None:
        os.environ.update(SWISSBERT_CACHE=str(cache))
        tempfile.tempdir = str(temporary)

    for turn in range(3):
        if turn:  # as earlier versions left it
            for path in (cache, *cache.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
        if turn == 2:
            (cache / "unrelated").mkdir()
        process = Command(setting.folder, ["train", settings, "--dry-run"], begin)
        fault = odd_end(process.wait(), process.text, (0,))
        entries = [path for path in cache.iterdir() if path.name != "unrelated"]
        private = [*entries, *(file for entry in entries for file in entry.iterdir()), *([cache] if turn < 2 else [])]
        if readable := [str(path) for path in private if path.stat().st_mode & 0o077]:
            fault = fault or f"others can read {readable[:3]}"
        if turn == 2 and not cache.stat().st_mode & 0o077:
            fault = fault or "a folder that holds something else was closed"
        outcome.count(fault)
    mark = "a text of nobody else"

    def fit() -> None:
        from swissbert import SwissbertClassifier

        texts = [f"{mark} {number}" for number in range(12)]
        SwissbertClassifier(str(setting.folder / "encoder"), epochs=1, batch_size=4).fit(texts, ["high", "low"] * 6)

    for number in [setting.random().randint(1, 60) for _ in range(setting.number(6, 1))]:

        def first(number: int = number) -> None:
            begin()
            kill_at(number)()

        process = Command(setting.folder, first=first, instead=fit)
        fault = odd_end(process.wait(), process.text, (0, -signal.SIGKILL))
        for path in temporary.glob("swissbert-*"):
            if path.stat().st_mode & 0o077:
                fault = fault or "others can read the temporary folder of an estimator"
            if any(mark.encode() in data for data in files_of(path).values()):
                fault = fault or "a killed estimator left its texts"
        outcome.count(fault)
    process = Command(setting.folder, first=begin, instead=fit)
    fault = odd_end(process.wait(), process.text, (0,))
    rest = [path.name for path in temporary.iterdir() if "swissbert" in path.name]
    outcome.count(fault or (f"left {rest}" if rest else None))
    return outcome


TRIALS: dict[str, Trial] = {
    "pairs": pairs,
    "trainings": trainings,
    "links": links,
    "permissions": permissions,
    "locks": locks,
    "small files": small_files,
    "privacy": privacy,
}
