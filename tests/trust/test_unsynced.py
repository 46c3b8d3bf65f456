"""The disk of the campaign loses what POSIX lets it lose, and nothing else."""

from random import Random

import pytest

from campaign.recording import Change
from campaign.unsynced import WAYS, Disk, State, cuts

WRITE = [Change("create", ".new"), Change("write", ".new", data=b"new")]
SYNC, RENAME, NAMES = Change("sync", ".new"), Change("rename", ".new", "file"), Change("sync", ".")


def states(start: State, *changes: Change) -> list[State]:
    """Return the states after the last of some changes."""
    disk, random = Disk(start), Random(1)
    for change in changes:
        disk.apply(change)
    return [disk.after(way, random) for way in WAYS for _ in range(50)]


def contents(start: State, *changes: Change) -> set[bytes | None]:
    return {state.get("file") for state in states(start, *changes)}


def test_a_name_that_was_not_synced_may_be_missing() -> None:
    assert contents({}, *WRITE, SYNC, RENAME) == {None, b"new"}
    assert contents({"file": b"old"}, *WRITE, SYNC, RENAME) == {b"old", b"new"}
    assert contents({"file": b"old"}, *WRITE, SYNC, RENAME, NAMES) == {b"new"}


def test_content_that_was_not_synced_may_be_torn() -> None:
    found = contents({"file": b"old"}, *WRITE, RENAME, NAMES)
    assert b"old" not in found
    assert {b"", b"new", b"\0\0\0"} < found


def test_a_folder_without_a_name_takes_its_files_along() -> None:
    changes = [Change("mkdir", "a"), Change("create", "a/file"), Change("sync", "a/file"), Change("sync", "a")]
    assert {} in states({}, *changes)
    assert {tuple(state) for state in states({}, *changes, NAMES)} == {("a", "a/file")}


def test_names_may_be_reordered() -> None:
    changes = [Change("rename", "model", ".old"), Change("rename", ".new", "model")]
    found = {tuple(sorted(state.items())) for state in states({"model": b"1", ".new": b"2"}, *changes)}
    assert (("model", b"2"),) in found
    assert ((".new", b"2"), (".old", b"1")) in found


@pytest.mark.parametrize("change", [Change("resize", "file", at=1), Change("extend", "file", at=5)])
def test_lengths_change(change: Change) -> None:
    disk = Disk({"file": b"old"})
    disk.apply(change)
    assert disk.now() == {"file": b"o" if change.kind == "resize" else b"old\0\0"}


def test_each_state_occurs_once_and_the_last_ones_in_any_case() -> None:
    found = list(cuts({"file": b"old"}, [*WRITE, SYNC, RENAME, NAMES, NAMES], 1))
    last = [cut for cut in found if cut.after == 6]
    assert [cut.files for cut in last] == [{"file": b"new"}]
    rest = [repr(cut.files) for cut in found if cut.after < 6]
    assert len(rest) == len(set(rest))
