"""The command that gives a trained model to other programs: export."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from swissbert.cli.program import DataOption, ModelArgument, app, directory_of, need
from swissbert.errors import SwissbertError


@app.command()
def export(
    model: ModelArgument,
    format: Annotated[
        Literal["hf", "onnx", "onnx-int8", "compact"],
        typer.Option(
            help="A folder a task for transformers, one ONNX file for all tasks, or a tenth of the model folder."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    task: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A task to export, instead of all. Repeatable.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Write a model for other programs.

    An onnx-int8 file is scored on the dev rows beside the model, and not written if it loses more than 0.3 points. A
    compact folder has the encoder's difference from the one it started as, which has to be at hand where it is loaded.
    """
    if format.startswith("onnx"):
        need("onnx", "onnxscript", "onnxruntime", extra="export")
    from swissbert.inference.model import load

    trained = load(model, "cpu")
    if format == "hf":
        from swissbert.export.hf import export_hf

        print(*export_hf(trained, out, task), sep="\n")
    elif format == "compact":
        from swissbert.export.plan import check_free
        from swissbert.model_folder.save import save_model

        if task:
            raise SwissbertError("--task is given, but a compact folder has all tasks of its model")
        check_free(out)
        save_model(out, trained.network, trained.tokenizer, trained.description, small=True)
        print(out)
    elif format == "onnx":
        from swissbert.export.onnx import export_onnx

        print(export_onnx(trained, out, task))
    else:
        from swissbert.export.onnx import export_int8

        for name, (exact, ours) in export_int8(trained, out, task, directory_of(trained, data)).items():
            metric = trained.task(name).metric
            print(f"{name} {metric} on dev rows: {ours:.4f}, {exact:.4f} before rounding", file=sys.stderr)
        print(out / "model.onnx")
