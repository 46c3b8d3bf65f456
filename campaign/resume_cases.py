"""Every change after which a run is resumed, and how it may end."""

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaign.inputs import tiny_encoder
from campaign.resume_case import Case, Place, change_lines, cut_off, edit_text, set_values, set_variable, write_text

FINISHED = ("same", "said")
SAFE = ("same", "refused")
"""A damaged checkpoint is refused, or the run goes on from the one before."""


def all_cases() -> list[Case]:
    """Return all cases; the first changes nothing."""
    return [
        Case("nothing", ["same"]),
        *_harmless(),
        *_settings(),
        *_machines(),
        *_versions_and_code(),
        *_inputs(),
        *_records(),
        *_checkpoints(),
    ]


def _harmless() -> list[Case]:
    def threads() -> None:
        import torch

        torch.set_num_threads(2)

    def generator() -> None:
        import torch

        torch.manual_seed(999)

    return [
        Case("another state of torch's random generator", ["same"], first=generator),
        Case("another number of threads in the process", ["same"], first=threads),
        Case("an environment variable without effect", ["same"], first=set_variable("OMP_WAIT_POLICY", "ACTIVE")),
        Case(
            "a train row more, beyond the limit",
            ["same"],
            change_lines("data/sst-train.tsv", lambda rows: [*rows, rows[1]]),
        ),
        Case("number of checkpoints kept", ["same"], more=["--set", "train.keep=5"]),
        Case("no token cache", ["same"], more=["--set", "data.cache=false"]),
        Case(
            "config.toml edited by hand (lr), with the recipe",
            ["same"],
            edit_text("run/config.toml", "lr = 0.001", "lr = 0.01"),
        ),
    ]


def _settings() -> list[Case]:
    changed = {
        "threads": "train.threads=2",
        "precision": "train.precision=fp32",
        "lr": "train.lr=0.01",
        "seed": "seed=2",
    }
    changed |= {"batch size": "train.batch_size=8", "weighting": "loss.weighting=sum", "limit": "data.limit=20"}
    edits = {"lr": ("lr = 0.001", "lr = 0.01"), "seed": ("seed = 1", "seed = 2"), "clip": ("clip = 1.0", "clip = 0.1")}
    edits |= {"dropout": ("dropout = 0.1", "dropout = 0.2"), "batch size": ("batch_size = 4", "batch_size = 8")}
    edits |= {"surgery": ("surgery = true", "surgery = false"), "length": ("max_length = 32", "max_length = 16")}
    return [
        *(Case(f"another {name} by option", ["refused"], more=["--set", value]) for name, value in changed.items()),
        *(
            Case(
                f"config.toml edited by hand ({name})",
                ["refused"],
                edit_text("run/config.toml", *edit),
                with_recipe=False,
            )
            for name, edit in edits.items()
        ),
        Case(
            "config.toml edited by hand (lr) and allowed",
            ["said"],
            edit_text("run/config.toml", "lr = 0.001", "lr = 0.01"),
            more=["--set", 'train.may_change=["train.lr"]'],
            with_recipe=False,
        ),
        Case("another seed, allowed", ["said"], more=["--set", "seed=2", "--set", 'train.may_change=["seed"]']),
        Case(
            "another lr, the seed allowed",
            ["refused"],
            more=["--set", "train.lr=0.1", "--set", 'train.may_change=["seed"]'],
        ),
        Case("config.toml gone", ["refused"], lambda place: (place.run / "config.toml").unlink()),
        Case("config.toml cut", ["refused"], cut_off("run/config.toml", 100), with_recipe=False),
    ]


def _machines() -> list[Case]:
    refuse = ["--set", "train.on_hardware_change=refuse"]
    plain = set_variable("SWISSBERT_CPU", "plain")

    def began(**hardware: Any) -> Callable[[Place], object]:
        def change(place: Place) -> None:
            from swissbert.training.record import read_record, write_record

            record = read_record(place.run) or {}
            write_record(place.run, {**record, "hardware": {**record["hardware"], **hardware}})

        return change

    def flag(call: Callable[[Any], object]) -> Callable[[], None]:
        def first() -> None:
            import torch

            call(torch)

        return first

    def linear(torch: Any) -> None:
        before = torch.nn.functional.linear
        torch.nn.functional.linear = lambda x, w, b=None: before(x, w, b) * (1 + 2**-20)

    return [
        Case("a processor without bf16 (precision auto)", ["said"], first=plain),
        Case("a processor without bf16, to be refused", ["refused"], first=plain, more=refuse),
        Case("begun on a GPU", FINISHED, began(device="cuda", gpu="A GPU")),
        Case("begun on a GPU, to be refused", ["refused"], began(device="cuda", gpu="A GPU"), more=refuse),
        Case("begun on another processor, to be refused", ["refused"], began(processor="Another"), more=refuse),
        Case("begun with other kernels, to be refused", ["refused"], began(kernels="AVX9"), more=refuse),
        Case("begun with other instructions, to be refused", ["refused"], began(instructions=["avx9"]), more=refuse),
        *(
            Case(
                f"the environment variable {name}, to be refused",
                ["refused"],
                first=set_variable(name, value),
                more=refuse,
            )
            for name, value in {
                "ONEDNN_MAX_CPU_ISA": "AVX2",
                "DNNL_DEFAULT_FPMATH_MODE": "BF16",
                "ATEN_CPU_CAPABILITY": "avx2",
                "MKL_CBWR": "COMPATIBLE",
                "OMP_THREAD_LIMIT": "1",
                "KMP_DETERMINISTIC_REDUCTION": "true",
                "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2",
            }.items()
        ),
        Case("deterministic algorithms, to be refused", ["refused"], None, flag(_deterministic), refuse),
        Case(
            "products of lower precision",
            FINISHED,
            first=flag(lambda torch: torch.set_float32_matmul_precision("medium")),
        ),
        Case("without oneDNN", FINISHED, first=flag(lambda torch: setattr(torch.backends.mkldnn, "enabled", False))),
        Case("a library that computes otherwise", ["said"], first=flag(linear)),
        Case("a library that computes otherwise, to be refused", ["refused"], first=flag(linear), more=refuse),
    ]


def _first_rows(loader: object, task: str, epoch: int, number: int) -> Any:
    import numpy as np

    return np.arange(2)


def _deterministic(torch: Any) -> None:
    torch.use_deterministic_algorithms(True)


def _versions_and_code() -> list[Case]:
    refuse = ["--set", "train.on_hardware_change=refuse"]

    def patch(module: str, name: str, value: object) -> Callable[[], None]:
        def first() -> None:
            target: Any = importlib.import_module(module)
            *parents, last = name.split(".")
            for parent in parents:
                target = getattr(target, parent)
            setattr(target, last, value)

        return first

    versions = {
        "torch": ("torch", "__version__", "9.9"),
        "numpy": ("numpy", "__version__", "9.9"),
        "swissbert": ("swissbert.environment", "__version__", "9.9"),
        "tokenizers": ("swissbert.environment", "version", lambda name: "9.9"),
        "Python": ("platform", "python_version", lambda: "9.9.9"),
    }
    code = {
        "schedule": ("swissbert.training.step", "schedule_factor", lambda step, total, train: 0.5),
        "pooling": ("swissbert.encoder.bert", "Bert.training", False),
        "order of batches": ("swissbert.training.loader", "BatchLoader.rows", _first_rows),
        "clipping": ("swissbert.training.step", "TrainingStep._clip", lambda self, step: None),
        "metrics": ("swissbert.metrics", "accuracy", lambda *a: 0.5),
    }
    return [
        *(
            Case(f"another version of {name}, to be refused", ["refused"], None, patch(*by), refuse)
            for name, by in versions.items()
        ),
        *(Case(f"other code ({name})", FINISHED, first=patch(*by)) for name, by in code.items()),
        *(
            Case(f"other code ({name}), to be refused", ["refused"], None, patch(*by), refuse)
            for name, by in code.items()
        ),
    ]


def _inputs() -> list[Case]:
    def swapped(first: str, second: str) -> Callable[[Place], object]:
        def swap(lines: list[str]) -> list[str]:
            i, j = lines.index(f"{first}\n"), lines.index(f"{second}\n")
            lines[i], lines[j] = lines[j], lines[i]
            return lines

        return change_lines("encoder/vocab.txt", swap)

    def other_weights(place: Place) -> None:
        tiny_encoder(place.folder / "second", seed=5)
        shutil.copy(place.folder / "second" / "model.safetensors", place.folder / "encoder")

    def relabelled(rows: list[str]) -> list[str]:
        cells = rows[1].rstrip("\n").split("\t")
        return [rows[0], "\t".join([*cells[:-1], "1" if cells[-1] != "1" else "2"]) + "\n", *rows[2:]]

    rows: dict[str, Callable[[list[str]], list[str]]] = {
        "a changed text": lambda rows: [rows[0], rows[1].replace("\t", "\tx ", 1), *rows[2:]],
        "a changed label": relabelled,
        "rows in another order": lambda rows: [rows[0], rows[2], rows[1], *rows[3:]],
        "a row less": lambda rows: [rows[0], *rows[2:]],
        "a row twice": lambda rows: [*rows[:2], *rows[1:]],
    }
    config = "encoder/config.json"
    return [
        *(
            Case(f"{name} in the {split} rows", ["refused"], change_lines(f"data/sst-{split}.tsv", change))
            for split in ("train", "dev")
            for name, change in rows.items()
        ),
        Case("two words of the vocabulary swapped", ["refused"], swapped("the", "film")),
        Case("two pieces swapped that no row has", ["refused"], swapped("~", "##~")),
        Case(
            "a tokenizer that keeps case, where the words are lower case",
            ["same", "refused"],
            write_text("encoder/tokenizer_config.json", '{"do_lower_case": false}'),
        ),
        Case("other encoder weights of the same sizes", ["refused"], other_weights),
        Case("another activation in the encoder's config.json", ["refused"], set_values(config, hidden_act="relu")),
        Case("another epsilon in the encoder's config.json", ["refused"], set_values(config, layer_norm_eps=1e-3)),
    ]


def _records() -> list[Case]:
    def removed(place: Place) -> None:
        (place.run / "run.json").unlink()

    def removed_and_rows(place: Place) -> None:
        removed(place)
        change_lines("data/sst-train.tsv", lambda rows: [rows[0], *rows[2:]])(place)

    def older(place: Place) -> None:
        path = place.run / "run.json"
        names = ("format", "rows", "counts", "encoder_weights", "hardware", "torch", "numpy", "swissbert", "folder")
        table = json.loads(path.read_text())
        path.write_text(json.dumps({name: table[name] for name in names}))
        for progress in place.run.glob("checkpoints/*/progress.json"):
            table = json.loads(progress.read_text())
            for name in ("run", "checksums", "log_bytes", "log_checksum", "best_checksum"):
                table.pop(name, None)
            progress.write_text(json.dumps(table))

    def of_other(name: str) -> Callable[[Place], object]:
        return lambda place: (place.run / name).write_bytes((place.folder / "other" / name).read_bytes())

    refuse = ["--set", "train.on_hardware_change=refuse"]
    return [
        Case("run.json gone", FINISHED, removed),
        Case("run.json gone, to be refused", ["refused"], removed, more=refuse),
        Case("run.json and a train row gone", ["said"], removed_and_rows),
        Case("run.json edited (threads)", ["refused"], edit_text("run/run.json", '"threads": 1', '"threads": 2')),
        Case("run.json edited (lr)", ["refused"], edit_text("run/run.json", '"lr": 0.001', '"lr": 0.01')),
        Case("run.json without its checksum", ["refused"], edit_text("run/run.json", '"checksums"', '"other"')),
        Case("run.json cut", ["refused"], cut_off("run/run.json", 300)),
        Case("run.json of another run", ["refused"], of_other("run.json")),
        Case("config.toml of another run, with the recipe", ["same"], of_other("config.toml")),
        Case("config.toml of another run", ["refused"], of_other("config.toml"), with_recipe=False),
        Case("a record as swissbert 0.1.0 wrote it", FINISHED, older),
        Case("metrics.jsonl of another run", ["same", "refused", "said"], of_other("metrics.jsonl")),
        Case("metrics.jsonl gone", ["same", "refused", "said"], lambda place: (place.run / "metrics.jsonl").unlink()),
        Case("metrics.jsonl cut in half", ["same", "refused", "said"], cut_off("run/metrics.jsonl", 400)),
        Case(
            "metrics.jsonl damaged in the middle",
            ["same", "refused", "said"],
            edit_text("run/metrics.jsonl", '{"step": 3', '{"step" 3'),
        ),
        Case(
            "a loss in metrics.jsonl edited",
            ["same", "refused", "said"],
            edit_text("run/metrics.jsonl", '"loss": {"sst": 1', '"loss": {"sst": 2'),
        ),
        Case("model/ gone", ["same", "refused", "said"], lambda place: shutil.rmtree(place.run / "model")),
        Case("model/ of another run", ["same", "refused", "said"], _model_of_other),
    ]


def _model_of_other(place: Place) -> None:
    shutil.rmtree(place.run / "model")
    shutil.copytree(place.folder / "other" / "model", place.run / "model")


def _checkpoints() -> list[Case]:
    def tensors(name: str, change: Callable[[Any], Any]) -> Callable[[Place], object]:
        def apply(place: Place) -> None:
            from safetensors.torch import load_file, save_file

            save_file(change(load_file(place.last / name)), place.last / name)

        return apply

    def halves(table: dict[str, Any]) -> dict[str, Any]:
        return {name: tensor.half() for name, tensor in table.items()}

    def half_of_moments(table: dict[str, Any]) -> dict[str, Any]:
        return {name: tensor.half() if tensor.ndim else tensor for name, tensor in table.items()}

    def doubled(table: dict[str, Any]) -> dict[str, Any]:
        return {name: tensor * 2 for name, tensor in table.items()}

    def other(*names: str) -> Callable[[Place], object]:
        def copy(place: Place) -> None:
            source = max((place.folder / "other" / "checkpoints").glob("step-*"), key=lambda path: int(path.name[5:]))
            for name in names or [path.name for path in source.iterdir()]:
                shutil.copy(source / name, place.last / name)

        return copy

    def folder_of_other(place: Place) -> None:
        shutil.copytree(place.folder / "other" / "checkpoints" / "step-18", place.run / "checkpoints" / "step-18")

    def of_step_before(name: str) -> Callable[[Place], object]:
        def copy(place: Place) -> None:
            shutil.copy(place.run / "checkpoints" / "step-6" / name, place.last / name)

        return copy

    def renamed(place: Place) -> None:
        place.last.rename(place.last.with_name("step-12"))

    parameters, optimizer, progress = "parameters.safetensors", "optimizer.safetensors", "progress.json"
    return [
        Case("the last checkpoint gone", ["same"], lambda place: shutil.rmtree(place.last)),
        Case("the moments gone", SAFE, lambda place: (place.last / optimizer).unlink()),
        Case("no moments in their file", SAFE, tensors(optimizer, lambda table: {})),
        Case("an empty folder step-999", SAFE, lambda place: (place.run / "checkpoints" / "step-999").mkdir()),
        Case("a checkpoint under another step", SAFE, renamed),
        Case("a whole checkpoint of another run", ["refused"], folder_of_other),
        *(Case(f"{name} of another run's checkpoint", SAFE, other(name)) for name in (parameters, optimizer, progress)),
        *(Case(f"{name} of the checkpoint before", SAFE, of_step_before(name)) for name in (parameters, optimizer)),
        Case("parameters as float16", SAFE, tensors(parameters, halves)),
        Case("moments as float16", SAFE, tensors(optimizer, half_of_moments)),
        Case("other parameters", SAFE, tensors(parameters, doubled)),
        Case("other moments", SAFE, tensors(optimizer, doubled)),
        Case("another best value in progress.json", SAFE, lambda place: _best(place.last / progress)),
    ]


def _best(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "best": 0.99}))
