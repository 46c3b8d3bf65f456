"""Upload a model folder to the Hugging Face hub in one commit.

Only files of known names are uploaded, so neither pickles nor code are, and ``swissbert.json`` without local paths.
"""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from swissbert.checksums import KEY, check_all, recorded, sealed
from swissbert.errors import SwissbertError
from swissbert.model_folder.description import read_table, without_paths
from swissbert.model_folder.encoders import is_local
from swissbert.model_folder.hub import NOT_THE_HUB, first_line, hub_errors, is_hub_id
from swissbert.model_folder.layout import DESCRIPTION, MODEL_FILES, is_model_folder
from swissbert.model_folder.steady import read_steadily
from swissbert.version import __version__


def push(folder: Path, repo_id: str, private: bool = False, log: Callable[[str], object] = lambda line: None) -> str:
    """Make a repository on the hub hold a model folder.

    A repository that does not exist is created. Files of `MODEL_FILES` that the folder lacks are deleted there, so that
    none of an earlier model remains; any other file is kept.

    Args:
        folder: The model folder.
        repo_id: ``owner/name``.
        private: Create a private repository; otherwise the owner's default applies.
        log: Called with lines about the progress.

    Returns:
        The repository's address.

    Raises:
        SwissbertError: If the folder is not a model folder that loads elsewhere, a file was damaged, or the hub refuses.
    """
    if not is_hub_id(repo_id):
        raise SwissbertError(f"'{repo_id}' is not a valid repository id; it has the form OWNER/NAME")
    with ExitStack() as stack:
        description, files = read_steadily(lambda: folder, lambda folder: _opened(folder, stack))
        return _push(description, files, repo_id, private, log)


def _opened(folder: Path, stack: ExitStack) -> tuple[bytes, dict[str, BinaryIO]]:
    """Return the description to push and the open files by name: they are uploaded as they are now."""
    description = _description(folder)
    check_all(folder / DESCRIPTION)
    names = [name for name in MODEL_FILES if (folder / name).is_file()]
    return description, {name: stack.enter_context((folder / name).open("rb")) for name in names}


def _push(
    description: bytes, files: dict[str, BinaryIO], repo_id: str, private: bool, log: Callable[[str], object]
) -> str:
    """Upload files; see `push`."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi()
    with hub_errors(repo_id, _reason):
        url = str(api.create_repo(repo_id, private=private or None, exist_ok=True))
        info = api.model_info(repo_id)
        if private and not info.private:  # the client would upload, and everybody could read it
            raise SwissbertError(
                f"{repo_id}: exists on the hub and is public; make it private there, or choose a new name"
            )
        log(
            f"pushing {len(files)} files, {sum(os.stat(file.fileno()).st_size for file in files.values()) / 1e6:,.1f} MB"
        )
        existing = {file.rfilename for file in info.siblings or []}
        api.create_commit(  # unlike upload_folder, never in several commits
            repo_id,
            [
                *(CommitOperationAdd(name, description if name == DESCRIPTION else files[name]) for name in files),
                *(CommitOperationDelete(name) for name in MODEL_FILES if name in existing and name not in files),
            ],
            commit_message=f"Model of swissbert {__version__}",
        )
    return url


def _description(folder: Path) -> bytes:
    """Return the contents of ``swissbert.json`` without local paths.

    Raises:
        SwissbertError: If the folder is not a model folder, or needs an encoder that is a folder of this machine.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise SwissbertError(f"{folder}: not a model folder (no {DESCRIPTION})")
    table = read_table(folder)
    if not is_model_folder(folder):
        raise SwissbertError(f"{folder}: not a model folder (there are no weights)")
    encoder = table.get("encoder")
    name = encoder.get("name") if isinstance(encoder, dict) else None
    if table.get("compact") is not None and isinstance(name, str) and is_local(name):
        raise SwissbertError(
            f"{folder}: a compact folder is loaded together with its base encoder, but '{Path(name).name}' is a folder "
            "of this machine; push the full model folder"
        )
    public = without_paths(table)
    if public == table:
        return path.read_bytes()
    if sums := recorded(table, path):
        own = sealed(public, DESCRIPTION)
        public = {**public, KEY: {**sums, **(own[KEY] if DESCRIPTION in sums else {})}}
    return (json.dumps(public, indent=2, ensure_ascii=False) + "\n").encode()


def _reason(error: Exception) -> str:
    """Word an error of the hub client while pushing."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    reason: BaseException = error
    if isinstance(error, RuntimeError) and error.__cause__:  # the client's own message names the file alone
        reason = error.__cause__
    if isinstance(reason, OfflineModeIsEnabled):
        return "offline mode is on (HF_HUB_OFFLINE); unset it to push"
    if isinstance(reason, HFValidationError):
        return f"not a valid repository id ({first_line(reason)})"
    if isinstance(reason, HfHubHTTPError):
        status = reason.response.status_code
        if status == 401:
            return "you are not logged in, or your token is not valid; log in with 'hf auth login', or set HF_TOKEN"
        if status == 403:
            return (
                "your token does not allow to write there; use an owner of your own, or a token with write permission"
            )
        message = f" ({' '.join(reason.server_message.split())})" if reason.server_message else ""
        return f"the hub answers {status} {reason.response.reason_phrase}{message}"
    if isinstance(reason, json.JSONDecodeError):
        return NOT_THE_HUB
    if isinstance(reason, HfHubHTTPError.__bases__[0]):  # the base error of the client's HTTP library: no connection
        return f"the hub cannot be reached ({first_line(reason)})"
    return f"it cannot be pushed to the hub ({' '.join(str(reason).split())})"
