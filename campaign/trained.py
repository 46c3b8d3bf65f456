"""Short runs that trials damage, and calls that may be refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaign.commands import Command
from campaign.inputs import recipe, tiny_encoder


def trained_run(folder: Path, **train: Any) -> Path:
    """Train the short recipe and return its folder."""
    recipe(folder / "my.toml", tiny_encoder(folder / "tiny"), tensorboard=False, baseline=False, **train)
    command = Command(folder, ["train", folder / "my.toml", "--out", folder / "run"])
    if command.wait() != 0:
        raise RuntimeError(command.text)
    return folder / "run"


def result_or_refusal(use: Callable[[], object]) -> tuple[object, str]:
    """Return what a call returns and an empty text, or None and why it is refused; other errors count as faults."""
    from swissbert.errors import SwissbertError

    try:
        return use(), ""
    except SwissbertError as error:
        text = str(error)
        return None, text if "\n" not in text and len(text) < 3000 else f"FAULT: a message of {len(text)} characters"
    except BaseException as error:  # a campaign counts everything
        return None, f"FAULT: {type(error).__name__}: {str(error)[:200]}"
