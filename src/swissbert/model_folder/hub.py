"""Models on the Hugging Face hub: fetched at a revision, pushed in one commit; what it refuses is one sentence.

Only files of known names go either way, so no pickle and no code is ever sent or asked for.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from swissbert.errors import SwissbertError
from swissbert.model_folder.layout import MODEL_FILES
from swissbert.version import __version__

_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


def is_hub_id(name: str) -> bool:
    """Whether a name has the form ``owner/name``."""
    return _ID.fullmatch(name) is not None


def fetch(repo_id: str, revision: str | None, files: Iterable[str], kind: str, otherwise: str) -> Path:
    """Folder of the hub client's cache with those of `files` that a model of the hub has, fetched if need be.

    `revision` is a branch, tag or commit; the main branch if None. ``HF_HUB_OFFLINE=1`` is respected. Raises
    SwissbertError, in which `kind` is what the model is called, and `otherwise` what a person without network can do.
    """
    from huggingface_hub import snapshot_download

    with _asking(named(kind, repo_id, revision), lambda error: _not_fetched(error, otherwise)):
        return Path(snapshot_download(repo_id, revision=revision, allow_patterns=list(files)))


def named(kind: str, repo_id: str, revision: str | None) -> str:
    """What a model of the hub is called in an error."""
    return f"{kind} '{repo_id}'" + (f" at revision '{revision}'" if revision else "")


def pull(repo_id: str, revision: str | None = None) -> Path:
    """Model folder of a swissBERT model on the hub, in the client's cache. Raises SwissbertError as `fetch` does."""
    folder = fetch(repo_id, revision, MODEL_FILES, "model", "or take mini or a model folder that is here")
    if not (folder / "swissbert.json").is_file():
        raise SwissbertError(
            f"{named('model', repo_id, revision)}: the hub has it, but no swissbert.json of it: no model of swissbert"
        )
    return folder


def push(folder: Path, repo_id: str, private: bool = False, said: Callable[[str], object] = lambda line: None) -> str:
    """Make ``owner/name`` on the hub what a model folder is, in one commit -> its address.

    The model is made where it is not there yet, `private` or as the owner's settings say. Files of `MODEL_FILES` that the
    folder has not are removed there, so that none of an earlier model is left among those of this one; all others
    stay. What is done is told to `said`. Raises SwissbertError.
    """
    if not is_hub_id(repo_id):
        raise SwissbertError(f"'{repo_id}' is no name of a model on the hub: OWNER/NAME is expected")
    files = [name for name in MODEL_FILES if (folder / name).is_file()]
    if "swissbert.json" not in files:
        raise SwissbertError(f"{folder}: not a model folder (no swissbert.json)")
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi()
    with _asking(repo_id, _not_pushed):
        url = str(api.create_repo(repo_id, private=private or None, exist_ok=True))
        there = api.model_info(repo_id)
        if private and not there.private:  # the client would go on, and all could read it
            raise SwissbertError(
                f"{repo_id}: it is on the hub already and public; make it private there, or take a new name"
            )
        said(f"pushing {len(files)} files, {sum((folder / name).stat().st_size for name in files) / 1e6:,.1f} MB")
        old = {file.rfilename for file in there.siblings or []}
        api.create_commit(  # unlike upload_folder, never in several commits
            repo_id,
            [
                *(CommitOperationAdd(name, str(folder / name)) for name in files),
                *(CommitOperationDelete(name) for name in MODEL_FILES if name in old and name not in files),
            ],
            commit_message=f"Model of swissbert {__version__}",
        )
    return url


@contextmanager
def _asking(where: str, why: Callable[[Exception], str]) -> Iterator[None]:
    """Turn what goes wrong with the hub into one sentence."""
    try:
        yield
    except SwissbertError:
        raise
    except Exception as error:  # the client lets through what its HTTP library, the disk and odd answers raise
        raise SwissbertError(f"{where}: {why(error)}") from error


def _not_fetched(error: Exception, otherwise: str) -> str:
    """What a person makes of an error while fetching."""
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
            return f"{uncached}HF_HUB_OFFLINE forbids asking the hub; unset it once to fetch it, {otherwise}"
        if not isinstance(reason, HfHubHTTPError):
            return f"{uncached}the hub cannot be reached ({_line(reason)}); connect once to fetch it, {otherwise}"
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
        return _NO_HUB
    return f"it cannot be fetched from the hub ({_line(reason)})"


def _not_pushed(error: Exception) -> str:
    """What a person makes of an error while pushing."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    reason: BaseException = error
    if isinstance(error, RuntimeError) and error.__cause__:  # the client says only which file it was about
        reason = error.__cause__
    if isinstance(reason, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids asking the hub; unset it to push"
    if isinstance(reason, HFValidationError):
        return f"the hub takes no such name ({_line(reason)})"
    if isinstance(reason, HfHubHTTPError):
        status = reason.response.status_code
        if status == 401:
            return "you are not logged in, or your token is not valid; log in with 'hf auth login', or set HF_TOKEN"
        if status == 403:
            return "you may not write there; take a name of your own, or a token that has write permission"
        said = f" ({' '.join(reason.server_message.split())})" if reason.server_message else ""
        return f"the hub answers {status} {reason.response.reason_phrase}{said}"
    if isinstance(reason, json.JSONDecodeError):
        return _NO_HUB
    if isinstance(reason, HfHubHTTPError.__bases__[0]):  # of the HTTP library, whichever the client uses: no connection
        return f"the hub cannot be reached ({_line(reason)})"
    return f"it cannot be pushed to the hub ({' '.join(str(reason).split())})"


_NO_HUB = "what answered is not the hub; is there a proxy or a login page in between?"


def _line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
