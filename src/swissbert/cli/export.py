"""The command ``export``: write a model for other programs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from swissbert.cli.program import DataOption, ModelArgument, directory_of, need
from swissbert.cli.results import load_model, next_lines, next_steps
from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from swissbert.display import Display
    from swissbert.inference import Model

STARTING = "loading the libraries of ONNX"


def export(
    model: ModelArgument,
    format: Annotated[
        Literal["hf", "onnx", "onnx-int8", "sentence-transformers", "compact"],
        typer.Option(
            help="One folder per task for transformers, one ONNX file for all tasks, the encoder for sentence-transformers, or a model folder of a tenth of the size."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to create.")],
    task: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A task to export, instead of all. Repeatable.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Write a model for other programs.

    An onnx-int8 file is scored on the dev rows together with the model, and not written if it loses more than 0.3
    points (of few rows: more than two rows are worth). A compact folder holds the encoder's difference from its base encoder, which is needed wherever it is loaded.
    """
    if format.startswith("onnx"):
        need("onnx", "onnxscript", "onnxruntime", extra="export")
    from swissbert.display import Display
    from swissbert.files import need_free, need_name, only_writer

    need_name(out, "export")
    with only_writer(out, creates_parents=True):
        need_free(out, "export")
        loaded = load_model(model, "cpu")
        display = Display()
        display.say(f"exporting {', '.join(task or loaded.tasks)} as {format}")
        _export(loaded, format, out, task, data, display)
    _how_to_load(loaded, format, out, task)


def _export(
    loaded: "Model", format: str, out: Path, task: list[str] | None, data: str | None, display: "Display"
) -> None:
    """Write a loaded model into a folder that is free."""
    if format == "hf":
        with display.waiting("writing classifiers"):
            from swissbert.export.hf import export_hf

            folders = export_hf(loaded, out, task)
        print(*folders, sep="\n")
    elif format == "sentence-transformers":
        from swissbert.export.sentence_vectors import export_sentence_vectors

        if task:
            raise SwissbertError("--task is given, but sentence vectors belong to no task")
        with display.waiting("writing the encoder"):
            folder = export_sentence_vectors(loaded, out)
        print(folder)
    elif format == "compact":
        if task:
            raise SwissbertError("--task is given, but a compact folder has all tasks of its model")
        _compact(loaded, out, display)
    elif format == "onnx":
        with display.waiting(STARTING):
            from swissbert.export.onnx import export_onnx

        print(export_onnx(loaded, out, task, display))
    else:
        with display.waiting(STARTING):
            from swissbert.export.onnx import export_int8
        from swissbert.metrics import shown

        for name, (exact, rounded) in export_int8(loaded, out, task, directory_of(loaded, data), display).items():
            metric = loaded.task(name).metric
            after, before = shown(rounded, 4), shown(exact, 4)
            print(f"{name} {metric} on dev rows: {after}, {before} before rounding", file=sys.stderr)
        print(out / "model.onnx")


def _how_to_load(model: "Model", format: str, out: Path, names: list[str] | None) -> None:
    """Print how the exported folder is loaded."""
    if format == "compact":
        pair = all(task.is_pair for task in model.tasks.values())
        next_steps("export compact", folder=out, texts=["TEXT", "SECOND_TEXT"] if pair else ["TEXT"])
        return
    loads = {
        "hf": f"transformers.pipeline('text-classification', {str(out / (names or list(model.tasks))[0])!r})",
        "sentence-transformers": f"sentence_transformers.SentenceTransformer({str(out)!r})",
    }
    next_lines([("load it in Python", loads.get(format, f"onnxruntime.InferenceSession({str(out / 'model.onnx')!r})"))])


def _compact(model: "Model", out: Path, display: "Display") -> None:
    """Write a compact folder, and report where its base encoder must be if that is a folder."""
    from swissbert.model_folder.encoders import is_local
    from swissbert.model_folder.origin import base_folder
    from swissbert.model_folder.save import save_model

    base = base_folder(model.folder)
    with display.waiting("writing the difference from the base encoder"):
        save_model(out, model.network, model.tokenizer, model.description, base=base)
    name = model.description.encoder.name
    if is_local(name) and not (out.parent / name).is_dir():
        print(f"{out}: to load it, copy or link the encoder {base} to {out.parent / name}", file=sys.stderr)
    print(out)
