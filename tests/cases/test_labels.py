"""Labels as people have them: folders ``a``."""

from pathlib import Path

import pytest

from case_runner import Command


@pytest.mark.parametrize("case", ["a15-names-in-dev"], indirect=True)
def test_numbers_in_train_and_names_in_dev_are_both_understood(case: Path, train_case: Command) -> None:
    ended = train_case(steps=2)
    assert ended.status == 0, ended.stderr
    assert "0 bad" in ended.stderr
