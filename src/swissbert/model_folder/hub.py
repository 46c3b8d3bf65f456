"""Download models and encoders from the Hugging Face hub, at a revision.

Only files of known names are requested, so neither pickles nor code are downloaded.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from swissbert.errors import SwissbertError
from swissbert.model_folder.layout import DESCRIPTION, MODEL_FILES

_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")

NOT_THE_HUB = "the answer does not come from the hub; check for a proxy or a login page of your network"


def is_hub_id(name: str) -> bool:
    """Whether a name has the form ``owner/name``."""
    return _ID.fullmatch(name) is not None


def fetch(repo_id: str, revision: str | None, files: Iterable[str], kind: str, otherwise: str) -> Path:
    """Download files of a repository.

    Args:
        repo_id: ``owner/name``.
        revision: Branch, tag or commit; None for the main branch.
        files: Names of the files; those that the repository lacks are left out.
        kind: ``model`` or ``encoder``, for messages.
        otherwise: What can be done without a network, for messages.

    Returns:
        Their folder in the hub client's cache.

    Raises:
        SwissbertError: If they cannot be downloaded. In offline mode (``HF_HUB_OFFLINE=1``) only the cache is used.
    """
    from huggingface_hub import snapshot_download

    with hub_errors(named(kind, repo_id, revision), lambda error: _reason(error, otherwise)):
        return Path(snapshot_download(repo_id, revision=revision, allow_patterns=list(files)))


def named(kind: str, repo_id: str, revision: str | None) -> str:
    """Name a repository and revision for a message."""
    return f"{kind} '{repo_id}'" + (f" at revision '{revision}'" if revision else "")


def pull(repo_id: str, revision: str | None = None) -> Path:
    """Download a swissBERT model; return its model folder in the hub client's cache.

    Raises:
        SwissbertError: As `fetch`, or if the repository holds no swissBERT model.
    """
    folder = fetch(repo_id, revision, MODEL_FILES, "model", "or use mini or a local model folder")
    if not (folder / DESCRIPTION).is_file():
        raise SwissbertError(
            f"{named('model', repo_id, revision)}: the repository exists but contains no {DESCRIPTION}, so it is not a "
            "swissBERT model"
        )
    return folder


@contextmanager
def hub_errors(where: str, word: Callable[[Exception], str]) -> Iterator[None]:
    """Turn errors of the hub client into a `SwissbertError`.

    Args:
        where: What the message begins with.
        word: Words an error.
    """
    try:
        yield
    except SwissbertError:
        raise
    except Exception as error:  # the client passes on errors of its HTTP library, the disk and malformed responses
        raise SwissbertError(f"{where}: {word(error)}") from error


def _reason(error: Exception, otherwise: str) -> str:
    """Word an error of the hub client while downloading."""
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
    if isinstance(error, LocalEntryNotFoundError):  # raised when the cache is used because of another error
        reason, uncached = error.__cause__ or error, "not in the local cache, and "
        if isinstance(reason, OfflineModeIsEnabled):
            return f"{uncached}offline mode is on (HF_HUB_OFFLINE); unset it once to download it, {otherwise}"
        if not isinstance(reason, HfHubHTTPError):
            return (
                f"{uncached}the hub cannot be reached ({first_line(reason)}); connect once to download it, {otherwise}"
            )
    if isinstance(reason, GatedRepoError):
        return "access is restricted; accept its terms on the hub and log in with 'hf auth login'"
    if isinstance(reason, RevisionNotFoundError):
        return "the repository has no such revision"
    if isinstance(reason, RepositoryNotFoundError):
        return "there is no such local folder and no such repository on the hub, or it is private and you are not logged in"
    if isinstance(reason, HfHubHTTPError):
        status = reason.response.status_code
        hint = "; there is no such repository, or you must log in with 'hf auth login'" if status == 401 else ""
        return f"{uncached}the hub answers {status} {reason.response.reason_phrase}{hint}"
    if isinstance(reason, json.JSONDecodeError):
        return NOT_THE_HUB
    return f"it cannot be downloaded from the hub ({first_line(reason)})"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
