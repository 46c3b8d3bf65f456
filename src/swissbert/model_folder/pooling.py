"""How an encoder was made to be pooled, for settings that leave ``model.pooling`` out."""

import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swissbert.encoder import Bert
from swissbert.encoder.pooling import POOLINGS
from swissbert.errors import SwissbertError, clipped
from swissbert.model_folder.layout import DESCRIPTION, POOLING, is_model_folder
from swissbert.older_settings import OLD_POOLING
from swissbert.reading import read_object
from swissbert.settings import shown

KEY = "pooling_mode"
"""Key of the file in sentence-transformers 5 and later: a mode, or a list of modes whose vectors lie side by side."""
OLD_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Modes by the keys of earlier versions, which are true or false."""
NAMES = {frozenset({"cls"}): "cls", frozenset({"mean"}): "mean", frozenset({"cls", "mean"}): "cls_mean"}
"""Our names of what sentence-transformers calls by modes."""


def own_pooling(folder: Path, encoder: Bert, has_new_pooler: bool) -> tuple[str, str]:
    """Find how an encoder was made to be pooled.

    In this order: how a trained model of ours pools; how sentence-transformers pools (``1_Pooling/config.json``); the
    mean, if the checkpoint has no pooler or one that was never trained, whose biases are all exactly 0, as BERT
    initialises them; the pooler.

    Args:
        folder: Folder of the encoder, which may be a model folder.
        encoder: The encoder, as it was read from there.
        has_new_pooler: Whether the checkpoint has no pooler, so that this one is new.

    Returns:
        A name in `POOLINGS`, and the reason in a clause. It says too why a file that names a pooling is not followed.
    """
    ignored = ""
    for names_pooling in (_of_model, _of_sentence_transformers):
        name, clause = names_pooling(folder)
        if name is not None:
            return name, clause
        ignored += f"; {clause}" if clause else ""
    if has_new_pooler:
        return "mean", f"the checkpoint has no pooler{ignored}"
    if not encoder.config.has_pooler:
        return "mean", f"this encoder has no pooler{ignored}"
    if not encoder.pooler.bias.any():
        return "mean", f"the pooler of this encoder was never trained (its biases are all 0){ignored}"
    return "pooler", f"the pooler of this encoder is trained{ignored}"


def _of_model(folder: Path) -> tuple[str | None, str]:
    """Return how one of our models pools and the reason; None and a problem, or an empty text, if that is not known."""
    if not is_model_folder(folder):
        return None, ""
    model = read_object(folder / DESCRIPTION).get("model")
    name = model.get("pooling", OLD_POOLING) if isinstance(model, Mapping) else None
    if not isinstance(name, str) or name not in POOLINGS:
        return None, f"its {DESCRIPTION} names no pooling of swissbert"
    return name, "that of the trained model whose encoder is taken"


def _of_sentence_transformers(folder: Path) -> tuple[str | None, str]:
    """As `_of_model`, for the file of sentence-transformers."""
    if not os.path.isfile(folder / POOLING):
        return None, ""
    try:
        modes = _modes(read_object(folder / POOLING))
    except SwissbertError as error:
        return None, f"{clipped(str(error), 300)}, so that file is not followed"
    name = NAMES.get(frozenset(modes))
    if name is None:
        pools = f"pools by {shown(' and '.join(modes))}" if modes else "names no mode"
        return None, f"{POOLING} {pools}, and swissbert pools by {', '.join(NAMES.values())} or the pooler"
    return name, f"the encoder's own way to make one vector of a text ({POOLING})"


def _modes(table: Mapping[str, Any]) -> list[str]:
    """Return the modes in a file of sentence-transformers, sorted."""
    if KEY in table:
        named = table[KEY] if isinstance(table[KEY], list) else [table[KEY]]
        return sorted({mode if isinstance(mode, str) else shown(mode) for mode in named})
    return sorted(mode for key, mode in OLD_KEYS.items() if table.get(key) is True)
