"""The library in one process: threads that share a model, long streams, odd texts, wrong types, broken weights, names."""

import copy
import json
import pickle
import random
import resource
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from campaign.commands import Command, warm_up
from campaign.frame import Outcome, Setting, Trial
from campaign.inputs import recipe, tiny_encoder
from campaign.mutations import odd_message

LABELS = (
    "line\nbreak",
    "tab\tbed",
    "esc\x1b[31mred\x1b[0m",
    "\x9b31m",
    "a,b;c",
    "<b>x</b>",
    "=cmd()",
    "\u202egnp",
    "x" * 3000,
)
ODD_TEXTS: dict[str, str] = {
    "a word of 1 MB": "a" * 10**6,
    "1 MB of words": "word " * 200_000,
    "1 MB of Chinese": "中" * 10**6,
    "1 MB of Chinese sentences": "中文。" * 333_000,
    "1 MB of points": "." * 10**6,
    "1 MB of spaces": "a" + " " * 10**6 + "b",
    "1 MB of marks": "a" + "\u0301" * 10**6,
    "ligatures": "\ufdfa" * 10**5,
    "directions": "\u202e" * 1000,
    "a surrogate": "\ud800",
    "NUL": "x\0",
    "only NUL": "\x00",
    "nothing": "",
    "spaces": "   ",
    "an invisible space": "\u200b",
    "a mark": "\ufeff",
    "the last character": "\U0010ffff" * 100,
    "flags": "🏳️‍🌈" * 1000,
    "special tokens": "[CLS] [SEP] [MASK]",
    "line feeds": "\n\n",
    "C1": "\x85",
    "ESC": "\x1b[31m",
}


def _model(setting: Setting) -> Path:
    """Return the model folder of a short run."""
    warm_up()
    file = recipe(
        setting.folder / "my.toml", tiny_encoder(setting.folder / "tiny"), 3, checkpoint_every=9, tensorboard=False
    )
    command = Command(setting.folder, ["train", file, "--out", setting.folder / "run"])
    if (code := command.wait()) != 0:
        raise RuntimeError(f"training ended with {code}: {command.text[-500:]}")
    return setting.folder / "run" / "model"


def _ended(call: Callable[[], object]) -> str | None:
    """Return what is wrong with how a call ends: neither an answer nor a short sentence; None for nothing."""
    from swissbert.errors import SwissbertError

    try:
        call()
    except SwissbertError as error:
        return odd_message(str(error)) or None
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}"
    return None


def _threads(setting: Setting) -> Outcome:
    """Answers of threads that share a model, against those of one alone."""
    import numpy as np
    import torch

    import swissbert

    outcome = Outcome("answers in threads that share a model, against those of one thread alone")
    folder, rounds = _model(setting), setting.number(12, 1)
    torch.set_num_threads(2)
    precisions: tuple[Literal["fp32", "int8"], ...] = ("fp32",) if setting.short else ("fp32", "int8")
    for precision in precisions:
        model = swissbert.load(folder, "cpu", precision)
        sets = [[f"text {i} of {n} " + "word " * ((7 * i + n) % 30) for i in range(40)] for n in range(8)]
        alone = [model.numbers("sst", texts) for texts in sets]
        faults: list[str | None] = []

        def ask(number: int, model: Any = model, sets: Any = sets, alone: Any = alone, faults: Any = faults) -> None:
            for _ in range(rounds):
                try:
                    same = np.allclose(model.numbers("sst", sets[number]), alone[number], atol=1e-5)
                    model.predict_all("How do I swim?", "How can one swim?")
                    faults.append(None if same else "other answers than alone")
                except BaseException as error:
                    faults.append(repr(error)[:200])

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        faults += ["a thread that did not end" for thread in threads if thread.is_alive()]
        for fault in faults:
            outcome.count(fault)
    outcome.figures["texts"] = f"{40 * outcome.tried:,}"
    return outcome


def _memory(setting: Setting) -> Outcome:
    """Memory of a long stream, of many calls and of many loads."""
    import swissbert

    folder = _model(setting)
    model, number = swissbert.load(folder, "cpu"), setting.number(100_000, 3_000)
    outcome = Outcome("long streams, many calls, many loads: memory stays flat")
    marks: list[int] = []

    def growth(what: str) -> None:
        grown = (marks[-1] - marks[len(marks) // 4]) >> 10
        outcome.count(None if grown < 30 else f"{what}: {grown} MB more")
        outcome.figures[f"growth, {what}"] = f"{grown} MB"
        marks.clear()

    def mark() -> None:
        marks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    for i, _ in enumerate(model.predict("sst", (f"a short text {i}" for i in range(number)))):
        if i % (number // 12) == 0:
            mark()
    growth(f"{number:,} texts")
    for _ in range(setting.number(300, 12)):
        model.predict("sst", ["a text " * 20] * 16)
        mark()
    growth("calls")
    for _ in range(setting.number(40, 8)):
        swissbert.load(folder, "cpu")
        mark()
    growth("loads")
    return outcome


def _texts(setting: Setting) -> Outcome:
    """Odd texts alone and in pairs."""
    import swissbert

    model, outcome, slowest = swissbert.load(_model(setting), "cpu"), Outcome("odd texts, alone and in pairs"), 0.0
    for name, text in ODD_TEXTS.items():
        for task, given in (("sst", text), ("sts", (text, "other")), ("sts", ("other", text))):
            start = time.process_time()
            fault = _ended(lambda task=task, given=given: model.predict(task, [given]))  # type: ignore[misc]
            seconds = time.process_time() - start
            slowest = max(slowest, seconds)
            outcome.count(f"{name}: {fault}" if fault else f"{name}: {seconds:.1f} s" if seconds > 2 else None)
    outcome.figures["slowest"] = f"{slowest:.2f} s"
    return outcome


def _types(setting: Setting) -> Outcome:
    """Values of other types than the library takes, and copies of a model."""
    import numpy as np

    import swissbert

    model, outcome = swissbert.load(_model(setting), "cpu"), Outcome("values of wrong types in the library")
    values: list[Callable[[], Any]] = [
        *(lambda: None, lambda: 3, lambda: b"bytes", lambda: ["a"], lambda: [["a", "b", "c"]], lambda: [None]),
        *(lambda: [("a",)], lambda: {"a": 1}, lambda: float("nan"), lambda: "", lambda: [""], lambda: (), lambda: [()]),
        *(lambda: [("a", None)], lambda: ("a", "b", "c"), lambda: [np.str_("fine")], lambda: np.array(["fine"])),
        *(lambda: iter(["fine"]), lambda: (x for x in [1]), object, lambda: Ellipsis, lambda: {1, 2}, lambda: range(3)),
    ]
    calls: list[Callable[[Any], Any]] = [
        lambda value: model.predict("sst", value),
        lambda value: list(model.predict("sst", value)),
        lambda value: model.numbers("sst", value),
        lambda value: model.predict("sts", value),
        lambda value: model.predict("sts", "a", value),
        lambda value: model.predict_all(value),
        lambda value: model.predict_all("a", tasks=value),
        lambda value: model.predict(value, "x"),
        lambda value: model.predict("para", "a", "b", threshold=value),
        lambda value: model.evaluate("starter", value),
        lambda value: swissbert.load(value),
        lambda value: swissbert.load("mini", value),
        lambda value: swissbert.load("mini", precision=value),
    ]
    for value in values:
        for number, call in enumerate(calls):
            fault = _ended(lambda call=call, value=value: call(value()))  # type: ignore[misc]
            outcome.count(f"call {number} with {value()!r:.40}: {fault}" if fault else None)
    copies: list[Callable[[Any], object]] = [pickle.dumps, copy.deepcopy, copy.copy]
    for make in copies:
        outcome.count(_ended(lambda make=make: make(model)))  # type: ignore[misc]
    return outcome


def _weights(setting: Setting) -> Outcome:
    """NaN, infinity, huge and tiny numbers in weights: refused, or finite answers."""
    import numpy as np
    from safetensors.torch import load_file, save_file

    import swissbert
    from swissbert.errors import SwissbertError

    folder, outcome = _model(setting), Outcome("NaN, infinity, huge and tiny numbers in weights")
    text = "a good film about every letter: " + "".join(map(chr, range(33, 120)))
    for file in ("model.safetensors", "heads.safetensors"):
        for value in (float("nan"), float("inf"), -float("inf"), 3e38, 1e-42):
            for number in range(setting.number(10, 1)):
                bad = Path(shutil.copytree(folder, setting.folder / f"{file}-{value}-{number}"))
                tensors = load_file(bad / file)
                name = setting.random().choice(sorted(tensors)) if not number else random.choice(sorted(tensors))
                flat = tensors[name].view(-1)
                flat[number % len(flat)] = value
                save_file(tensors, bad / file, metadata={"format": "pt"})
                description = json.loads((bad / "swissbert.json").read_text(encoding="utf-8"))
                del description["checksums"]  # as of a stranger who fits them to the file
                (bad / "swissbert.json").write_text(json.dumps(description), encoding="utf-8")
                is_finite = bool(np.isfinite(value))
                try:
                    answers = swissbert.load(bad, "cpu").numbers("sst", [text])
                    fault = None if is_finite and np.isfinite(answers).all() else f"{value} in {name} is accepted"
                except SwissbertError as error:
                    has_name = is_finite or name in str(error)
                    fault = None if has_name else f"{value} in {name}: the tensor is not named: {error}"
                outcome.count(fault)
                shutil.rmtree(bad)
    return outcome


def _names(setting: Setting) -> Outcome:
    """Names of tasks with characters of paths, and labels with control characters in every command."""
    from swissbert.tasks import make_task

    warm_up()
    outcome = Outcome("odd names of tasks, and odd labels in every command")
    task: dict[str, Any] = {
        "kind": "classification",
        "labels": ["low", "high"],
        "columns": {"text": "text", "label": "label"},
    }
    for name in (
        "../x",
        "a/b",
        "a\\b",
        "a\0b",
        "",
        ".",
        "..",
        "a" * 41,
        "A",
        "ä",
        "a\n",
        "a b",
        "-a",
        "\ud800",
        "a.b",
        "a\u0430",
    ):
        made: list[object] = []
        fault = _ended(lambda name=name, made=made: made.append(make_task({**task, "name": name}, "here")))  # type: ignore[misc]
        outcome.count(fault or (f"the name {name!r} is accepted" if made else None))
    folder = setting.folder
    rows = "".join(f"words {i} and more {'very ' * (i % 5)}\t{i % len(LABELS)}\n" for i in range(90))
    (folder / "t.tsv").write_text("text\tlabel\n" + rows, encoding="utf-8")
    (folder / "odd.toml").write_text(
        f"[encoder]\nname = {json.dumps(str(tiny_encoder(folder / 'tiny')))}\nmax_length = 32\n"
        '[model]\npooling = "pooler"\n'  # which an export for transformers reads
        "[train]\nepochs = 1\nthreads = 1\ntensorboard = false\n"
        f'[[tasks]]\nname = "odd"\nkind = "classification"\nlabels = {json.dumps(LABELS)}\n'
        'columns = { text = "text", label = "label" }\nfiles = { train = "t.tsv" }\n',
        encoding="utf-8",
    )
    commands: list[tuple[object, ...]] = [
        ("train", folder / "odd.toml", "--data", folder, "--out", folder / "run"),
        ("train", folder / "odd.toml", "--data", folder, "--dry-run"),
        ("evaluate", folder / "run"),
        ("evaluate", folder / "run", "--json"),
        ("predict", folder / "run", "words"),
        ("data", "check", folder, "--tasks", folder / "odd.toml", "--encoder", folder / "tiny"),
        ("export", folder / "run", "--format", "hf", "--out", folder / "hf"),
        ("predict", folder / "run", "words", "--task", "\x1b[31m\x9b"),
    ]
    for arguments in commands:
        command = Command(folder, arguments)
        code, text = command.wait(), command.text
        controls = sorted(
            {mark for mark in text if (mark < " " and mark != "\n") or "\x7f" <= mark <= "\x9f" or mark == "\u202e"}
        )
        is_well = code in (0, 1, 2) and "Traceback" not in text and not controls
        outcome.count(None if is_well else f"{arguments[0]}: {code}, control characters {controls}: {text[-200:]!r}")
    return outcome


TRIALS: dict[str, Trial] = {
    "threads": _threads,
    "memory": _memory,
    "texts": _texts,
    "types": _types,
    "weights": _weights,
    "names": _names,
}
