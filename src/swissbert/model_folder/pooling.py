"""The pooling that an encoder was made with, which is the default of ``model.pooling``."""

from pathlib import Path

from swissbert.encoder.bert import Bert
from swissbert.encoder.pooling import POOLINGS
from swissbert.model_folder.layout import DESCRIPTION, POOLING, is_model_folder
from swissbert.reading import read_object
from swissbert.settings import shown

BY_MODES = {("cls",): "cls", ("mean",): "mean", ("cls", "mean"): "cls_mean"}
"""Our name of the modes of sentence-transformers' pooling module."""
OLD_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Keys of that module's ``config.json`` before release 6, each true or false, and the mode that each stands for."""


def own_pooling(folder: Path, encoder: Bert, *, has_new_pooler: bool) -> tuple[str, str]:
    """Find out how an encoder is meant to be pooled.

    Args:
        folder: Its folder, with ``1_Pooling/config.json`` if sentence-transformers has written it.
        encoder: The encoder as read from it.
        has_new_pooler: Whether its checkpoint has no pooler.

    Returns:
        A name in `POOLINGS`, and a line that says why.

    Raises:
        SwissbertError: If a file of the folder cannot be read.
    """
    if is_model_folder(folder):
        settings = read_object(folder / DESCRIPTION).get("model")
        name = settings.get("pooling") if isinstance(settings, dict) else None
        if name in POOLINGS:
            return name, _line(name, f"{folder} was trained with it")
    modes = _modes(folder)
    if modes is not None and modes in BY_MODES:
        return BY_MODES[modes], _line(BY_MODES[modes], f"{POOLING} of the encoder says so")
    other = "" if modes is None else f"; {POOLING} of the encoder asks for {shown(modes)}, which is not available here"
    if has_new_pooler:
        return "mean", _line("mean", f"the encoder has no pooler{other}")
    if not encoder.pooler.bias.any():  # training moves it away from 0, where it starts
        return "mean", _line("mean", f"the encoder's pooler was never trained{other}")
    return "pooler", _line("pooler", f"the encoder has a trained pooler{other}")


def _modes(folder: Path) -> tuple[str, ...] | None:
    """Return the modes of the encoder's pooling module, sorted; None if it has none or they are not in its file."""
    path = folder / POOLING
    if not path.is_file():
        return None
    table = read_object(path)
    modes = table.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in OLD_KEYS.items() if table.get(key) is True]
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or not modes or not all(isinstance(mode, str) for mode in modes):
        return None
    return tuple(sorted(modes))


def _line(name: str, reason: str) -> str:
    return f"model.pooling {name}: {POOLINGS[name].title} ({reason})"
