"""Labels as people have them: folders ``a``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("case", ["a15-names-in-dev"], indirect=True)
def test_numbers_in_train_and_names_in_dev_are_both_understood(case: Path, train: Callable[..., Any]) -> None:
    ended = train(steps=2)
    assert ended.status == 0, ended.stderr
    assert "0 bad" in ended.stderr
