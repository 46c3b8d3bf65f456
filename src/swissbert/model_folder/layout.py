"""Every file name of model folders and run folders.

A **model folder** is the result of training, and all that evaluating, predicting and serving need: the encoder under
Hugging Face names, the heads, the vocabulary, a description and the model card. A compact one holds the encoder's
difference from its base instead (see `swissbert.model_folder.compact`). A **run folder** holds what a training run
writes: settings, logs, checkpoints and the best model so far.
"""

from pathlib import Path

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
SHARDS = "model-*-of-*.safetensors"
HEADS = "heads.safetensors"
DELTA = "delta.safetensors"
VOCABULARY = "vocab.txt"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"
DESCRIPTION = "swissbert.json"
ESTIMATOR = "estimator.json"
"""Parameters and labels of the estimator that a model was saved from (see `swissbert.estimator`)."""
POOLING = "1_Pooling/config.json"
"""How sentence-transformers pools an encoder."""
CARD = "README.md"

ENCODER_FILES = (CONFIG, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG, VOCABULARY)
"""Files of an encoder folder that swissbert 0.1.0 read."""
MORE_ENCODER_FILES = (WEIGHTS_INDEX, SHARDS, SPECIAL_TOKENS, ADDED_TOKENS)
"""Further files of an encoder folder that are read; one is a pattern."""
MODEL_FILES = (CONFIG, WEIGHTS, DELTA, HEADS, VOCABULARY, TOKENIZER, TOKENIZER_CONFIG, DESCRIPTION, ESTIMATOR, CARD)
"""Files that a model folder may hold, full or compact."""
ANSWER_FILES = tuple(name for name in MODEL_FILES if name not in (DESCRIPTION, CARD))
"""Files of a model folder that answers depend on, besides its description, which has their checksums."""

RUN_CONFIG = "config.toml"
RUN_RECORD = "run.json"
RUN_RECIPE = "recipe.toml"
"""The recipe of a run that was inferred from a data file, without what was chosen since."""
METRICS_LOG = "metrics.jsonl"
TRACKERS = "trackers.json"
"""Ids of the run in the services that track it. Files of trackers are in folders of their names, ``tensorboard`` and so on."""
CHECKPOINTS = "checkpoints"
BEST_MODEL = "model"
REPLACED_MODEL = f".{BEST_MODEL}.old"
"""Where a best model is while another one replaces it (see `replaced`)."""

CHECKPOINT_PARAMETERS = "parameters.safetensors"
CHECKPOINT_OPTIMIZER = "optimizer.safetensors"
CHECKPOINT_PROGRESS = "progress.json"

MINI = Path(__file__).parents[1] / "mini"
"""The trained model that ships; its name is ``mini``."""


def is_model_folder(folder: Path) -> bool:
    """Whether a folder holds a model. An exported ONNX folder has a description of its own and is not one."""
    return (folder / DESCRIPTION).is_file() and any((folder / name).is_file() for name in (HEADS, CONFIG))


def best_model(folder: Path) -> Path:
    """Return the best model of a run folder; any other folder as it is."""
    for candidate in (folder / BEST_MODEL, folder / REPLACED_MODEL):
        if (folder / RUN_CONFIG).is_file() and is_model_folder(candidate):
            return candidate
    return folder


def replaced(folder: Path) -> Path:
    """Return where a folder is for the moment in which `swissbert.files.write_folder` replaces it."""
    return folder.with_name(f".{folder.name}.old")


def run_folder(folder: Path) -> Path | None:
    """Return the run folder whose best model is in `folder`; None if the model lies elsewhere."""
    folder = folder.absolute()
    is_best = folder.name in (BEST_MODEL, REPLACED_MODEL)
    return folder.parent if is_best and (folder.parent / RUN_CONFIG).is_file() else None
