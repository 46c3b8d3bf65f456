"""Comparison of the settings of a run that was begun or finished with those of one that is planned."""

import re
from typing import Any

from swissbert.config.run import RunConfig
from swissbert.setting_tables import changed_settings, shown_change
from swissbert.task_words import WORDS

_TASK_KEY = re.compile(r"tasks\[\w+\]\.(\w+)")
"""A key of a declaration, or a key below it."""


def changed_meaning(stored: RunConfig, config: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Return old and new values of the settings in which two runs differ, by dotted name, sorted.

    Settings on which the losses of neither run depend are left out, see `_is_unused`.

    Args:
        stored: Settings of a run that was begun or finished.
        config: Settings that are compared with them.
    """
    changed = changed_settings(stored, config)
    return {key: values for key, values in changed.items() if not _is_unused(key, stored, config)}


def meaning_differences(stored: RunConfig, config: RunConfig) -> list[str]:
    """List the settings of `changed_meaning`: dotted name and both values."""
    return [shown_change(key, *values) for key, values in changed_meaning(stored, config).items()]


def _is_unused(key: str, stored: RunConfig, config: RunConfig) -> bool:
    """Whether a setting says something about a task on which the losses of neither run depend.

    These are words for people, and that pairs are symmetric. Declarations that ship say so since there is
    ``data.swap_pairs``, and have words since the page shows them; runs that began before do not.
    """
    if (words := _TASK_KEY.match(key)) is not None and words[1] in WORDS:
        return True
    name = re.fullmatch(r"tasks\[(\w+)\]\.symmetric", key)
    if name is None:
        return False
    swaps = [{task.name: one.swaps_pairs(task) for task in one.tasks}.get(name[1]) for one in (stored, config)]
    return swaps[0] == swaps[1]
