"""Settings and model folders made to hurt: sizes, nesting, links, paths, types and holes, each refused within bounds."""

import json
import os
import resource
import shutil
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from campaign.commands import warm_up
from campaign.frame import Outcome, Setting, Trial
from campaign.inputs import tiny_encoder

SECONDS, MEGABYTES = 2.0, 200
"""Bounds of one refusal: processor time and memory."""
Bomb = Callable[[Path], object]
"""Makes what hurts in an empty folder and reads it."""
TASK = {
    "name": "t",
    "kind": "classification",
    "labels": ["low", "high"],
    "loss": "cross_entropy",
    "metric": "accuracy",
    "columns": {"text": "text", "label": "label"},
    "files": {"train": "t.csv"},
}


def _all(setting: Setting, what: str, bombs: dict[str, Bomb], short: int) -> Outcome:
    """Try each bomb, or in short form a few of them, in a process of its own."""
    warm_up()
    outcome, slowest, most = Outcome(what), 0.0, 0
    names = list(bombs) if not setting.short else setting.random().sample(sorted(bombs), short)
    for number, name in enumerate(names):
        folder = setting.folder / str(number)
        folder.mkdir()
        fault, seconds, grown = _refusal(bombs[name], folder)
        outcome.count(f"{name}: {fault}" if fault else None)
        slowest, most = max(slowest, seconds), max(most, grown)
        shutil.rmtree(folder, ignore_errors=True)
    outcome.figures |= {"slowest refusal": f"{slowest:.1f} s", "most memory": f"{most} MB"}
    return outcome


def _refusal(bomb: Bomb, folder: Path) -> tuple[str, float, int]:
    """Return what is wrong with how a bomb ends, empty for nothing, its seconds and its megabytes."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, json.dumps(_measured(bomb, folder)).encode())
        os._exit(0)
    os.close(write)
    end = time.monotonic() + 60
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > end:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            os.close(read)
            return "still at work after 60 s", 60.0, 0
        time.sleep(0.005)
    text = os.read(read, 1 << 16)
    os.close(read)
    if not text:
        return "the process died", 0.0, 0
    ended, seconds, grown = json.loads(text)
    if not ended and (seconds > SECONDS or grown > MEGABYTES):
        ended = f"{seconds:.1f} s and {grown} MB"
    return ended, seconds, grown


def _measured(bomb: Bomb, folder: Path) -> tuple[str, float, int]:
    from swissbert.errors import SwissbertError

    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    read = bomb(folder)
    assert callable(read)
    before, start, ended = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time(), ""
    try:
        read()
        ended = "accepted"
    except SwissbertError as error:
        if len(str(error)) > 600 or not str(error).isprintable():
            ended = "a message that is long or has control characters"
    except BaseException as error:
        ended = f"{type(error).__name__}: {str(error)[:100]}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    return ended, time.process_time() - start, grown


def _recipes(setting: Setting) -> Outcome:
    def of(text: Callable[[], str]) -> Bomb:
        def make(folder: Path) -> object:
            from swissbert.config import load_config

            path = folder / "r.toml"
            path.write_text(text(), encoding="utf-8")
            return lambda: load_config(path)

        return make

    task = "[[tasks]]\nname = 'a'\nkind = 'classification'\ncolumns = {text = 'a', label = 'b'}\n"
    bombs = {
        "dotted keys": of(lambda: "a" + ".a" * 200_000 + " = 1"),
        "quoted dotted keys": of(lambda: "a" + ' . "a"' * 100_000 + " = 1"),
        "many dotted keys": of(lambda: "".join(f"a{i}" + ".a" * 18 + " = 1\n" for i in range(9000))),
        "tables": of(lambda: "".join(f"[a.b{i}]\n" for i in range(90_000))),
        "headers of tables": of(lambda: "".join("[a" + ".a" * 99 + f".b{i}]\n" for i in range(4000))),
        "nested lists": of(lambda: "a = " + "[" * 10**6),
        "closed nested lists": of(lambda: "a = " + "[" * 300 + "]" * 300),
        "nested tables": of(lambda: "a = " + "{a = " * 200_000),
        "a long number": of(lambda: "seed = " + "9" * 10**6),
        "a long fraction": of(lambda: "seed = 1." + "9" * 10**6),
        "10 MB of text": of(lambda: "name = '" + "a" * 10**7 + "'"),
        "escapes": of(lambda: 'name = "' + '\\"' * 500_000 + '"'),
        "a long key": of(lambda: "a" * 10**6 + " = 1"),
        "unknown keys": of(lambda: "".join(f"a{i} = 1\n" for i in range(80_000))),
        "the same task again and again": of(lambda: "tasks = [" + "'sst'," * 140_000 + "]"),
        "tasks that are numbers": of(lambda: "tasks = [" + "1," * 190_000 + "]"),
        "a million labels": of(lambda: task + "labels = [" + "1," * 10**6 + "]"),
        "labels that are lists": of(lambda: task + "labels = [" + "[]," * 90_000 + "]"),
        "class weights": of(lambda: task + "labels = ['a', 'b']\nclass_weights = [" + "1," * 190_000 + "]"),
        "NUL": of(lambda: "tasks = ['a\\u0000.toml']"),
        "a task elsewhere": of(lambda: "tasks = ['../../../../../../etc/passwd.toml']"),
    }
    return _all(setting, "recipes made to hurt", bombs, 6)


def _json(setting: Setting) -> Outcome:
    base = tiny_encoder(setting.folder / "base", hidden=8)

    def of(file: str, text: Callable[[], str]) -> Bomb:
        def make(folder: Path) -> object:
            model = _model(folder, base)
            (model / file).write_text(text(), encoding="utf-8")
            return lambda: _load(model)

        return make

    def described(**changes: Any) -> str:
        return json.dumps({**json.loads(_description()), **changes})

    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    bombs: dict[str, Any] = {}
    for file in ("config.json", "swissbert.json", "tokenizer.json", "tokenizer_config.json"):
        bombs |= {
            f"{file}: nesting": of(file, lambda: '{"a":' * 10_000),
            f"{file}: lists": of(file, lambda: "[" + "[]," * 4_000_000 + "1]"),
            f"{file}: numbers": of(file, lambda: '{"format": ' + "9" * 10**7 + "}"),
            f"{file}: values": of(file, lambda: '{"a": [' + "1.5," * 3_000_000 + "1]}"),
            f"{file}: 40 MB": of(file, lambda: '{"a": "' + "a" * 40_000_000 + '"}'),
        }
    bombs |= {
        "20,000 tasks": of(
            "swissbert.json", lambda: described(tasks=[{**TASK, "name": f"t{i}"} for i in range(20_000)])
        ),
        "a task 20,000 times": of("swissbert.json", lambda: described(tasks=[TASK] * 20_000)),
        "a million labels": of(
            "swissbert.json", lambda: described(tasks=[{**TASK, "labels": [f"l{i}" for i in range(10**6)]}])
        ),
        "400,000 labels": of(
            "swissbert.json", lambda: described(tasks=[{**TASK, "labels": [f"l{i}" for i in range(400_000)]}])
        ),
        "labels that are null": of("swissbert.json", lambda: described(tasks=[{**TASK, "labels": [None] * 600_000}])),
        "tasks that are null": of("swissbert.json", lambda: described(tasks=[None] * 600_000)),
        "scores that are null": of("swissbert.json", lambda: described(scores={f"s{i}": None for i in range(600_000)})),
        "notes that are null": of("swissbert.json", lambda: described(notes={"t": [None] * 600_000})),
        "files without end": of(
            "swissbert.json", lambda: described(tasks=[{**TASK, "files": {f"s{i}": 1 for i in range(600_000)}}])
        ),
        "600,000 unknown keys": of("swissbert.json", lambda: described(**{f"k{i}": 1 for i in range(600_000)})),
        "a million scores": of("swissbert.json", lambda: described(scores={f"s{i}": 1.0 for i in range(10**6)})),
        "provenance nested 400 deep": of("swissbert.json", lambda: described(provenance={"x": deep})),
        "provenance of paths": of(
            "swissbert.json", lambda: described(provenance={f"k{i}": f"/a/b{i}" for i in range(100_000)})
        ),
        "a base elsewhere": of(
            "swissbert.json", lambda: described(compact={"a": "b"}, encoder={"name": "../../../../../../etc"})
        ),
        "a huge vocabulary": of("config.json", lambda: json.dumps({**_config(base), "vocab_size": 10**9})),
        "terabytes": of(
            "config.json",
            lambda: json.dumps(
                {**_config(base), "hidden_size": 16384, "num_hidden_layers": 200, "intermediate_size": 131072}
            ),
        ),
        "a vocabulary of a million lines": of("vocab.txt", lambda: "".join(f"{i}\n" for i in range(10**6))),
        "a vocabulary of one line": of("vocab.txt", lambda: "a" * 40_000_000),
    }
    return _all(setting, "files of models made to hurt", bombs, 8)


def _weights(setting: Setting) -> Outcome:
    base = tiny_encoder(setting.folder / "base", hidden=8)

    def of(file: str, header: Callable[[], bytes], size: int = 0) -> Bomb:
        def make(folder: Path) -> object:
            model = _model(folder, base)
            head = header()
            with (model / file).open("wb") as opened:
                opened.write(struct.pack("<Q", len(head)) + head)
                opened.truncate(8 + len(head) + size)
            return lambda: _load(model)

        return make

    def tensors(count: int) -> bytes:
        return json.dumps(
            {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(count)}
        ).encode()

    def hole() -> bytes:
        words = {"dtype": "F32", "shape": [2_000_000, 1000], "data_offsets": [0, 8_000_000_000]}
        return json.dumps({"embeddings.word_embeddings.weight": words}).encode()

    def overlapping() -> bytes:
        part = {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]}
        return json.dumps({"a": part, "b": part}).encode()

    bombs: dict[str, Any] = {}
    for file in ("model.safetensors", "heads.safetensors"):
        bombs |= {
            f"{file}: 300,000 tensors": of(file, lambda: tensors(300_000)),
            f"{file}: 100,000 tensors": of(file, lambda: tensors(100_000)),
            f"{file}: spaces": of(file, lambda: b'{"a":' + b" " * 99_000_000 + b"}"),
            f"{file}: a long name": of(
                file,
                lambda: json.dumps({"a." * 10**6: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}).encode(),
            ),
            f"{file}: holes": of(file, hole, 8_000_000_000),
            f"{file}: overlapping tensors": of(file, overlapping, 4000),
            f"{file}: nesting": of(file, lambda: b'{"a":' * 100_000),
        }
    bombs |= {
        f"weights of the type {kind}": _typed(base, kind) for kind in ("F4", "C64", "I8", "F8_E4M3", "BOOL", "U64")
    }
    return _all(setting, "weights made to hurt", bombs, 6)


def _typed(base: Path, kind: str) -> Bomb:
    def make(folder: Path) -> object:
        from safetensors.torch import load_file

        model = _model(folder, base)
        width = {"F4": 0.5, "C64": 8, "U64": 8}.get(kind, 1)
        head: dict[str, Any] = {}
        size = 0
        for name, tensor in load_file(base / "model.safetensors").items():
            length = int(tensor.numel() * width)
            head[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [size, size + length]}
            size += length
        text = json.dumps(head).encode()
        (model / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))
        return lambda: _load(model)

    return make


def _links(setting: Setting) -> Outcome:
    base = tiny_encoder(setting.folder / "base", hidden=8)
    kinds = ("/dev/zero", "/dev/stdin", "/etc/passwd", "/proc/self/environ", "loop", "pipe", "folder")
    files = ("config.json", "model.safetensors", "heads.safetensors", "swissbert.json", "vocab.txt", "tokenizer.json")
    bombs = {f"{file} is {kind}": _linked(base, file, kind) for file in files for kind in kinds}
    for place in ("../../../etc/passwd", "/etc/passwd", "..", "a\\b"):
        bombs[f"an index of {place}"] = _index(base, place)
    return _all(setting, "links, pipes, devices and paths in model folders", bombs, 12)


def _linked(base: Path, file: str, kind: str) -> Bomb:
    def make(folder: Path) -> object:
        model = _model(folder, base)
        path = model / file
        path.unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to(path if kind == "loop" else kind)
        if file in ("vocab.txt", "tokenizer.json"):
            (model / ("vocab.txt" if file == "tokenizer.json" else "tokenizer.json")).unlink(missing_ok=True)
        return lambda: _load(model)

    return make


def _index(base: Path, place: str) -> Bomb:
    def make(folder: Path) -> object:
        model = _model(folder, base)
        (model / "model.safetensors").unlink()
        (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": place}}))
        return lambda: _load(model)

    return make


def _model(folder: Path, base: Path) -> Path:
    """Write a model folder with one task, whose heads do not matter."""
    import torch
    from safetensors.torch import save_file

    model = Path(shutil.copytree(base, folder / "model"))
    (model / "swissbert.json").write_text(_description())
    heads = {"heads.for_t.out.weight": torch.zeros(2, 8), "heads.for_t.out.bias": torch.zeros(2)}
    save_file(heads, model / "heads.safetensors")
    return model


def _description() -> str:
    return json.dumps({"format": 2, "tasks": [TASK], "encoder": {"max_length": 32}, "model": {}})


def _config(base: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((base / "config.json").read_text())
    return table


def _load(folder: Path) -> None:
    """Load a model, and one text that is answered by it, as the first user would."""
    from swissbert.inference import load

    load(folder, "cpu").predict("t", "a good film")


def _tokenizers(setting: Setting) -> Outcome:
    """Parts that BERT's tokenizer does not have: none may reach the library."""
    from swissbert.data.tokens import Tokenizer

    base = tiny_encoder(setting.folder / "base", hidden=8)
    Tokenizer(base).save(base)

    def of(change: Callable[[dict[str, Any]], object]) -> Bomb:
        def make(folder: Path) -> object:
            model = _model(folder, base)
            table = json.loads((model / "tokenizer.json").read_text())
            change(table)
            (model / "tokenizer.json").write_text(json.dumps(table))
            return lambda: _load(model)

        return make

    regex = {"Regex": "(?:a+)+$"}
    replace = {"type": "Replace", "pattern": regex, "content": ""}
    parts: dict[str, list[Any]] = {
        "normalizer": [
            replace,
            {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10**6},
            {"type": "NFC"},
        ],
        "pre_tokenizer": [
            {"type": "Split", "pattern": regex, "behavior": "Isolated", "invert": False},
            {"type": "Whitespace"},
        ],
        "decoder": [replace, {"type": "ByteLevel"}],
        "post_processor": [{"type": "ByteLevel"}, {"type": "Sequence", "processors": []}],
        "model": [{"type": "BPE", "vocab": {}, "merges": []}, {"type": "Unigram", "vocab": []}],
        "added_tokens": [[{"id": i, "content": f"x{i}"} for i in range(100_000)], [{"id": 0, "content": "x" * 10**6}]],
    }
    bombs = {
        f"{name} {number}": of(partial(_replaced, name, part))
        for name, values in parts.items()
        for number, part in enumerate(values)
    }
    settings: dict[str, list[object]] = {
        "unk_token": ["<unk>", None, 3],
        "max_input_chars_per_word": [10**9, 0, -1, 2**64],
        "continuing_subword_prefix": ["#" * 10**6, None],
        "vocab": [{"a": 2**40}, {f"w{i}": i for i in range(600_000)}, [], None],
    }
    for name, values in settings.items():
        for number, value in enumerate(values):
            bombs[f"{name} {number}"] = of(partial(_replaced_in_model, name, value))
    return _all(setting, "tokenizer.json with parts that BERT does not have", bombs, 8)


def _replaced(name: str, part: object, table: dict[str, Any]) -> None:
    table[name] = part


def _replaced_in_model(name: str, value: object, table: dict[str, Any]) -> None:
    table["model"][name] = value


TRIALS: dict[str, Trial] = {
    "recipes": _recipes,
    "json": _json,
    "weights": _weights,
    "links": _links,
    "tokenizers": _tokenizers,
}
