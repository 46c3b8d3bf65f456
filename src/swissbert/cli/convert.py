"""The command ``convert``: make safetensors of pickled weights."""

from pathlib import Path
from typing import Annotated

import typer

from swissbert.cli.results import next_steps


def convert(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A checkpoint with pytorch_model.bin or its shards.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder to create; model.safetensors is written into FOLDER if not given.")
    ] = None,
) -> None:
    """Write model.safetensors from pytorch_model.bin.

    The pickle is read in a process of its own, which accepts tensors alone and reaches no network. The result is checked
    by reading it as an encoder.
    """
    from swissbert.display import Display

    display = Display()
    with display.waiting(f"converting {folder}"):
        from swissbert.model_folder.convert import convert_weights

        target = convert_weights(folder, out, log=display.say)
    print(target)
    next_steps("convert", recipe="minilm", folder=target)
