"""Files damaged after they were written."""

import json
import logging
import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from campaign.commands import Command, files_of, log_lines, odd_end
from campaign.file_damage import damage, flip, has_equal_values
from campaign.frame import Outcome, Setting, Trial
from campaign.inputs import tiny_encoder
from campaign.replaced import replaced
from campaign.trained import result_or_refusal, trained_run

RESULTS = Path(__file__).parents[1] / "results/minilm/rows"
TEXTS = ["a good film", "the movie is not very good"]


def _answers(folder: Path) -> list[float]:
    import swissbert

    model = swissbert.load(folder, "cpu")
    return [float(number) for number in model.numbers("sst", TEXTS).ravel()] + [
        float(number) for number in model.numbers("para", [("a dog", "the cat")]).ravel()
    ]


def model_folders(setting: Setting) -> Outcome:
    """Damage files of plain and compact model folders and load them."""
    import swissbert
    from swissbert.model_folder.save import save_model

    outcome = Outcome("files of plain and compact model folders, then loaded")
    model = swissbert.load(trained_run(setting.folder, steps=3, epochs=1), "cpu")
    base = setting.folder / "tiny"
    for name, of in (("plain", None), ("compact", base)):
        save_model(setting.folder / name, model.network, model.tokenizer, model.description, base=of)
    numbers = setting.random()
    for name in ("plain", "compact"):
        whole, changed = setting.folder / name, setting.folder / f"changed-{name}"
        expected = _answers(whole)
        files = [path.name for path in whole.iterdir() if path.name != "README.md"]
        for _ in range(setting.number(200, 7)):
            shutil.rmtree(changed, ignore_errors=True)
            shutil.copytree(whole, changed)
            what = damage(changed / numbers.choice(files), numbers)
            answers, refusal = result_or_refusal(partial(_answers, changed))
            if refusal.startswith("FAULT"):
                outcome.count(f"{name}: {what}: {refusal}")
            elif what is not None and answers is not None and not has_equal_values(whole, changed):
                same = "the same" if answers == expected else "other"
                outcome.count(f"{name}: {what}: was taken, and gives {same} answers")
            elif refusal and str(changed) not in refusal:
                outcome.count(f"{name}: {what}: no file is named: {refusal[:200]}")
            else:
                outcome.count()
    return outcome


def checkpoints(setting: Setting) -> Outcome:
    """Damage the last checkpoint of a run and resume it, which goes on from the one before; the only one, which is refused."""
    outcome = Outcome("files of checkpoints, then resumed")
    run, numbers = trained_run(setting.folder, steps=6, keep=3), setting.random()
    expected = log_lines(run / "metrics.jsonl")
    for attempt in range(setting.number(20, 1)):
        copy = setting.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(run, copy)
        last, *others = sorted((copy / "checkpoints").iterdir(), key=lambda path: int(path.name[5:]), reverse=True)
        is_only = attempt % 5 == 4
        for folder in others if is_only else []:
            shutil.rmtree(folder)
        what = damage(numbers.choice(sorted(last.iterdir())), numbers)
        what = None if has_equal_values(run / "checkpoints" / last.name, last) else what
        command = Command(setting.folder, ["train", "--resume", "--out", copy])
        code = command.wait()
        fault = odd_end(code, command.text, (2,) if is_only and what else (0,))
        if fault is None and what is not None and str(last) not in command.text:
            fault = "the checkpoint is not named"
        if fault is None and not is_only and log_lines(copy / "metrics.jsonl") != expected:
            fault = "the run that went on is another"
        outcome.count(fault and f"{what}: {fault}")
    return outcome


def token_cache(setting: Setting) -> Outcome:
    """Change the files of an entry of the token cache: it is made again, and never used as it is."""
    import numpy as np

    from swissbert.config import data_path
    from swissbert.data.cache import cached_split
    from swissbert.data.cache_entries import cache_folder
    from swissbert.data.tokens import Tokenizer
    from swissbert.tasks import find_task

    logging.getLogger("swissbert").setLevel(logging.ERROR)  # a line for each
    outcome = Outcome("changed files of the token cache, then used")
    tokenizer, task, folder = Tokenizer(tiny_encoder(setting.folder / "tiny")), find_task("sst"), cache_folder()
    options: dict[str, Any] = {"separate": False, "max_length": 32, "limit": 24}

    def use() -> object:
        data = cached_split(task, "train", data_path("starter"), tokenizer, **options)
        return data.fingerprint(), data.labels.tolist(), data.batch(np.arange(4)).input_ids.tolist(), data.keys.tolist()

    expected = use()
    assert folder is not None
    (entry,) = folder.iterdir()
    whole = shutil.copytree(entry, setting.folder / "whole entry")
    originals, numbers = files_of(entry), setting.random()
    names = [
        name for name in originals for _ in range(1 + (name in ("ids.bin", "offsets.bin", "labels.bin", "about.json")))
    ]
    for _ in range(setting.number(10_000, 60)):
        shutil.rmtree(entry, ignore_errors=True)
        entry.mkdir()
        for name, content in originals.items():
            (entry / name).write_bytes(content)
        what = damage(entry / numbers.choice(names), numbers)
        signal.alarm(12)
        result, refusal = result_or_refusal(use)
        signal.alarm(0)
        if refusal or result != expected:
            outcome.count(f"{what}: {refusal or 'other rows'}")
        else:
            is_again = files_of(entry) == originals or has_equal_values(whole, entry)
            outcome.count(None if is_again else f"{what}: the entry was not made again")
    return outcome


def shards(setting: Setting) -> Outcome:
    """Damage files of a job of answers, finished or not, and start it again."""
    outcome = Outcome("shards and records of answers, then the job again")
    run, numbers = trained_run(setting.folder, steps=3, epochs=1), setting.random()
    (setting.folder / "texts.txt").write_text("a good film\nthe cat is not bad\n" * 30, encoding="utf-8")
    job = ["predict", run, "--task", "sst", "--input", setting.folder / "texts.txt", "--shard-rows", 12, "--output-dir"]
    if (command := Command(setting.folder, [*job, setting.folder / "whole"])).wait() != 0:
        raise RuntimeError(command.text)
    expected = files_of(setting.folder / "whole")
    names = [name for name in expected if name.startswith("part-") or name in ("done.json", "shards.json")]
    for attempt in range(setting.number(40, 2)):
        copy = setting.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(setting.folder / "whole", copy)
        what = damage(copy / numbers.choice(names), numbers)
        if attempt % 2:
            (copy / "done.json").unlink(missing_ok=True)
        command = Command(setting.folder, [*job, copy])
        fault = odd_end(command.wait(), command.text, (0,))
        after = files_of(copy)
        if fault is None and any(after.get(name) != expected[name] for name in names if name != "shards.json"):
            fault = "other files than those of a job that was left alone"
        outcome.count(fault and f"{what}: {fault}")
    return outcome


def logs_and_records(setting: Setting) -> Outcome:
    """Change metrics.jsonl and records of runs, and read them as a resumed run and a table do."""
    from swissbert.checksums import sealed
    from swissbert.experiments.records import read_record
    from swissbert.training.log import MetricsLog
    from swissbert.training.record import read_record as read_run_record

    outcome = Outcome("changed logs and records of runs, then read")
    run, numbers = trained_run(setting.folder, steps=6), setting.random()
    log, record = run / "metrics.jsonl", run / "run.json"
    progress = json.loads((max((run / "checkpoints").iterdir()) / "progress.json").read_text(encoding="utf-8"))
    lines, rows = log.read_bytes(), record.read_bytes()
    results = setting.folder / "rows"
    results.mkdir()
    row = results / "single-task.seed-0.json"
    published = json.loads((RESULTS / row.name).read_text(encoding="utf-8"))
    row.write_text(json.dumps(sealed(published, row.name), indent=1), encoding="utf-8")
    told: list[str] = []
    known = {record: read_run_record(run), row: read_record(setting.folder, "single-task", 0)}

    def read_log() -> object:
        kept = MetricsLog(
            run,
            progress["step"],
            size=progress["log_bytes"],
            checksum=progress["log_checksum"],
            log=told.append,
        )
        kept.close()
        return [json.loads(line)["step"] for line in log.read_bytes().splitlines()]

    for attempt in range(setting.number(6000, 90)):
        told.clear()
        log.write_bytes(lines)
        record.write_bytes(rows)
        path = (log, record, row)[attempt % 3]
        before = path.read_bytes()
        what = damage(path, numbers)
        use = (read_log, lambda: read_run_record(run), lambda: read_record(setting.folder, "single-task", 0))[
            attempt % 3
        ]
        result, refusal = result_or_refusal(use)
        # What follows a checkpoint is removed from a log, and space in a record means nothing.
        is_same = path.exists() and path.read_bytes() == lines if path == log else result == known[path]
        if refusal.startswith("FAULT"):
            outcome.count(f"{what}: {refusal}")
        elif what is not None and not refusal and not told and not is_same and not what.endswith("removed"):
            outcome.count(f"{what}: is not noticed")
        elif path == log and (not isinstance(result, list) or result != sorted(result)):
            outcome.count(f"{what}: the log is not in order: {result}")
        else:
            outcome.count()
        path.write_bytes(before)
    return outcome


def tables(setting: Setting) -> Outcome:
    """Damage what a finished run of a table left before its record was written, and make the table again."""
    from swissbert.experiments import runner

    outcome = Outcome("a run of a table without log or model, then finished")
    settings = ["train.threads=1", "train.epochs=2", "train.epoch_ends=2", "train.batch_size=4", "data.limit=24"]
    settings += ["encoder.max_length=32", "train.tensorboard=false"]
    words = ["reproduce", "table2", "--rows", "frozen", "--data", "starter"]
    words += [
        "--encoder",
        str(tiny_encoder(setting.folder / "tiny")),
        *(word for one in settings for word in ("--set", one)),
    ]

    def killed_before_its_record() -> None:
        mock.patch.object(runner, "write_record", side_effect=lambda *_: os._exit(9)).start()

    ended, copy = setting.folder / "ended", setting.folder / "copy"
    if (command := Command(setting.folder, [*words, "--out", ended], first=killed_before_its_record)).wait() != 9:
        raise RuntimeError(command.text)

    def scores(path: Path) -> object:
        return json.loads(path.read_text(encoding="utf-8"))["scores"]

    expected = scores(ended / "runs/frozen/seed-0/model/swissbert.json")

    def removed(path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def nested(path: Path) -> None:
        path.write_bytes(b"[" * 100_000 + b"\n" + path.read_bytes())

    def other(path: Path) -> None:
        path.write_bytes(flip(path.read_bytes(), setting.random()))

    cases: list[tuple[str, Callable[[Path], None]]] = [
        ("metrics.jsonl", removed),
        ("model", removed),
        ("metrics.jsonl", nested),
        ("metrics.jsonl", other),
        ("model/swissbert.json", removed),
        ("model/swissbert.json", other),
        ("model/model.safetensors", other),
        ("run.json", other),
        ("checkpoints", removed),
    ]
    for name, change in cases[: setting.number(len(cases), 1)]:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(ended, copy)
        run = copy / "runs/frozen/seed-0"
        change(run / name)
        command = Command(setting.folder, [*words, "--out", copy])
        code = command.wait()
        fault = odd_end(code, command.text)
        if code == 2 and fault is None:  # what the sentence says finishes the row
            if name.partition("/")[0] not in command.text:
                fault = f"what is damaged is not named: {command.text[-300:]}"
            for left in ("checkpoints", "run.json"):
                if f"remove {run / left}" in command.text or (left == name and "remove it" in command.text):
                    removed(run / left)
            command = Command(setting.folder, [*words, "--out", copy])
            fault = fault or odd_end(command.wait(), command.text, (0,))
        if fault is None and scores(copy / "rows/frozen.seed-0.json") != expected:
            fault = "other scores"
        outcome.count(fault and f"{name} {change.__name__}: {fault}")
    return outcome


TRIALS: dict[str, Trial] = {
    "model folders": model_folders,
    "models replaced": replaced,
    "checkpoints": checkpoints,
    "token cache": token_cache,
    "shards": shards,
    "logs and records": logs_and_records,
    "tables": tables,
}
