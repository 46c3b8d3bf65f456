"""Commands let OpenMP threads wait briefly, unless the user has chosen otherwise."""

import os
import subprocess
import sys

import pytest

from swissbert.cli.waiting import SPINS, wait_briefly

CHOSEN = {"nothing": {}, "a policy": {"OMP_WAIT_POLICY": "ACTIVE"}, "a number": {"GOMP_SPINCOUNT": "7"}}


@pytest.mark.parametrize("chosen", CHOSEN)
def test_the_users_choice_is_kept(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in CHOSEN[chosen].items():
        monkeypatch.setenv(name, value)
    wait_briefly()
    expected = {"nothing": SPINS, "a policy": None, "a number": "7"}[chosen]
    assert os.environ.get("GOMP_SPINCOUNT") == expected


def test_it_is_set_before_torch_is_imported() -> None:
    """The library reads its environment when it is loaded, and importing the command line must not load it."""
    code = "import sys, swissbert.__main__; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
