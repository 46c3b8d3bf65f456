"""Mutated settings and model folders through the program's own readers; see `campaign.mutations` for what must hold."""

import json
import random
import re
import shutil
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from campaign.commands import Command, warm_up
from campaign.frame import Outcome, Setting, Trial
from campaign.inputs import recipe, tiny_encoder
from campaign.mutations import Target, mutate, mutated, try_all, written

TYPES = (
    *(b"F64", b"F16", b"BF16", b"I64", b"I32", b"I8", b"U8", b"BOOL", b"F8_E4M3", b"F8_E5M2", b"F8_E8M0", b"F4"),
    *(b"C64", b"U16", b"U64", b"F6_E2M3"),
)
"""Types of tensors that are put in the place of others."""
OWN_TASK = b"""name = "urgency"
kind = "classification"
labels = ["low", "normal", "high"]
columns = { text = "message", label = "level" }
files = { train = "messages.csv" }
"""


def _settings(setting: Setting) -> Outcome:
    """Recipes, declarations and overrides."""
    from swissbert.config import RECIPES, load_config
    from swissbert.setting_tables import apply_overrides
    from swissbert.tasks import SHIPPED, find_task

    recipes = [path.read_bytes() for path in sorted(RECIPES.glob("*.toml"))]
    recipes.append(recipe(setting.folder / "my.toml", tiny_encoder(setting.folder / "tiny", hidden=8)).read_bytes())
    tasks = [OWN_TASK, *(path.read_bytes() for path in sorted(SHIPPED.glob("*.toml")))]
    overrides = mutated(b"train.lr=1e-4", b"tasks=['sst', 'sts']", b"loss.scale.sst=0.1", b"data.dir='starter'")

    def override(data: bytes) -> None:
        apply_overrides({}, [data.decode("utf-8", "surrogateescape")])

    targets = {
        "recipe": Target(mutated(*recipes), written(Path("r.toml"), lambda: _nothing(load_config("r.toml")))),
        "task": Target(mutated(*tasks), written(Path("t.toml"), lambda: _nothing(find_task("t.toml")))),
        "override": Target(overrides, override),
    }
    return try_all(setting, "mutated recipes, tasks and overrides", targets, setting.number(20_000, 60))


def _models(setting: Setting) -> Outcome:
    """Every file of a model folder."""
    from swissbert.data.tokens import Tokenizer
    from swissbert.encoder.checkpoint import read_encoder
    from swissbert.encoder.config_file import parse_config, read_config
    from swissbert.inference import load
    from swissbert.model_folder.card import card
    from swissbert.model_folder.description import read_description
    from swissbert.model_folder.layout import MINI

    model = _trained(setting)
    weights, heads = ((model / f"{name}.safetensors").read_bytes() for name in ("model", "heads"))
    described = [(model / "swissbert.json").read_bytes(), (MINI / "swissbert.json").read_bytes()]
    config = (model / "config.json").read_bytes()

    def inside(name: str, read: Callable[[Path], object], without: str = "") -> Callable[[bytes], None]:
        """Write a file into a copy of the model folder in the current directory of a process, and read the folder."""

        def use(data: bytes) -> None:
            folder = Path(f"with-{name}")
            if not folder.exists():
                shutil.copytree(model, folder)
                if without:
                    (folder / without).unlink()
            (folder / name).write_bytes(data)
            read(folder)

        return use

    def whole(folder: Path) -> None:
        loaded = load(folder, "cpu")
        card(loaded.description)
        for task in loaded.tasks.values():
            loaded.predict(task.name, ("a", "b") if task.is_pair else "a")

    def tokens(folder: Path) -> None:
        for as_stored in (True, False):
            tokenizer = Tokenizer(folder, 400, as_stored=as_stored)
            texts = ["a good film, naïve 中文 \U0001f600 x" * 3, "b", "[MASK] #\u0301 " + "x" * 300]
            tokenizer.encode(texts, ["c", "d", ""], together=True, max_length=32)
            tokenizer.encode(["中" * 2000], None, together=True, max_length=16)
            assert tokenizer.fingerprint

    files = {name: (model / name).read_bytes() for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json")}
    added = json.dumps({"<e1>": len(files["vocab.txt"].splitlines())}).encode()
    special = json.dumps({"unk_token": "[UNK]", "additional_special_tokens": ["<e1>"]}).encode()
    index = json.dumps({"weight_map": {"embeddings.LayerNorm.bias": "model-1.safetensors"}}).encode()
    targets = {
        "encoder": Target(_tensors(weights), inside("model.safetensors", read_encoder), 1.5),
        "heads": Target(_tensors(heads), inside("heads.safetensors", lambda folder: load(folder, "cpu")), 0.3),
        "config.json": Target(
            mutated(config), lambda data: _nothing(parse_config(data.decode("utf-8", "replace"), "x"))
        ),
        "config.json of a folder": Target(mutated(config), inside("config.json", read_config), 0.5),
        "swissbert.json": Target(mutated(*described), inside("swissbert.json", read_description)),
        "swissbert.json of a model": Target(mutated(described[0]), inside("swissbert.json", whole), 0.2),
        "tokenizer.json": Target(mutated(files["tokenizer.json"]), inside("tokenizer.json", tokens)),
        "vocab.txt": Target(mutated(files["vocab.txt"]), inside("vocab.txt", tokens, "tokenizer.json"), 0.5),
        "tokenizer_config.json": Target(
            mutated(files["tokenizer_config.json"]), inside("tokenizer_config.json", tokens, "tokenizer.json")
        ),
        "added_tokens.json": Target(mutated(added), inside("added_tokens.json", tokens, "tokenizer.json"), 0.3),
        "special_tokens_map.json": Target(
            mutated(special), inside("special_tokens_map.json", tokens, "tokenizer.json"), 0.3
        ),
        "index": Target(mutated(index), inside("model.safetensors.index.json", read_encoder, "model.safetensors"), 0.3),
    }
    return try_all(setting, "mutated files of model folders", targets, setting.number(10_000, 15))


def _records(setting: Setting) -> Outcome:
    """Files that a run leaves, and settings of a run that is resumed."""
    from swissbert.model_folder.origin import base_folder, data_directory
    from swissbert.reading import read_object
    from swissbert.settings import read_toml

    model = _trained(setting)
    run = model.parent

    def beside(name: str, read: Callable[[Path], object]) -> Callable[[bytes], None]:
        def use(data: bytes) -> None:
            folder = Path(f"run-{name}")
            if not folder.exists():
                shutil.copytree(run, folder)
            (folder / name).write_bytes(data)
            read(folder)

        return use

    targets = {
        "run.json": Target(
            mutated((run / "run.json").read_bytes()),
            beside("run.json", lambda folder: read_object(folder / "run.json")),
        ),
        "config.toml": Target(
            mutated((run / "config.toml").read_bytes()),
            beside(
                "config.toml",
                lambda folder: (
                    data_directory(folder / "model"),
                    base_folder(folder / "model"),
                    read_toml(folder / "config.toml"),
                ),
            ),
        ),
    }
    return try_all(setting, "mutated files of runs", targets, setting.number(10_000, 40))


def _requests(setting: Setting) -> Outcome:
    """Bodies of requests through the schemas of the server."""
    from pydantic import ValidationError

    from swissbert.serving.schemas import AttentionBody, PredictBody

    bodies = (
        {"inputs": {"text": "a good film", "text_pair": "a bad film"}, "tasks": ["sst"]},
        {"inputs": ["a", ["a", "b"], {"text": "a", "tasks": ["sts"]}]},
        {"text": "a", "text_pair": "b", "layer": 0, "head": 1},
    )

    def check(data: bytes) -> None:
        for schema in (PredictBody, AttentionBody):
            with suppress(ValidationError, ValueError, RecursionError):  # the server answers 400 or 422
                schema.model_validate(json.loads(data))

    originals = [json.dumps(body).encode() for body in bodies]
    return try_all(
        setting, "mutated bodies of requests", {"body": Target(mutated(*originals), check)}, setting.number(20_000, 100)
    )


def _nothing(_: object) -> None:
    """Drop the result of a reader."""


def _trained(setting: Setting) -> Path:
    """Return the model folder of a short run."""
    warm_up()
    encoder = tiny_encoder(setting.folder / "tiny", hidden=8)
    file = recipe(setting.folder / "my.toml", encoder, 3, checkpoint_every=9, tensorboard=False, batch_size=2)
    command = Command(setting.folder, ["train", file, "--out", setting.folder / "run"])
    if (code := command.wait()) != 0:
        raise RuntimeError(f"training ended with {code}: {command.text[-500:]}")
    return setting.folder / "run" / "model"


def _tensors(whole: bytes) -> Callable[[random.Random], bytes]:
    """Return mutations of a safetensors file: of all bytes, of the header's size, of types, and of the header alone."""
    size = struct.unpack("<Q", whole[:8])[0]
    head, body = whole[8 : 8 + size], whole[8 + size :]
    sizes = (0, 1, size - 1, size + 1, len(whole), 2**32, 2**63, 2**64 - 1, 100_000_000)

    def make(random: random.Random) -> bytes:
        way, new = random.randrange(6), head
        if way == 0:
            return mutate(whole, random)
        if way == 1:
            return struct.pack("<Q", random.choice(sizes)) + head + body
        if way == 2:
            quoted = b'"' + random.choice(TYPES) + b'"'
            number = random.choice((1, 2, 0))  # 0 for all
            new = re.sub(rb'"F32"', quoted, head, count=number)
        else:
            new = mutate(head, random)
        return struct.pack("<Q", len(new)) + new + body[: random.choice((len(body), len(body), len(body) // 2, 0))]

    return make


TRIALS: dict[str, Trial] = {
    "settings": _settings,
    "models": _models,
    "records": _records,
    "requests": _requests,
}
