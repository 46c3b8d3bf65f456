"""oneDNN keeps the kernels of about one pass, unless the user has chosen another number."""

import pytest

from swissbert.device import KERNEL_CACHES, limit_kernel_caches
from swissbert.environment import numeric_variables

NAMES = [*KERNEL_CACHES, "DNNL_PRIMITIVE_CACHE_CAPACITY"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, KERNEL_CACHES),
        ({"LRU_CACHE_CAPACITY": "7"}, {**KERNEL_CACHES, "LRU_CACHE_CAPACITY": "7"}),
        ({"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "0"}, {**KERNEL_CACHES, "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "0"}),
        (
            {"DNNL_PRIMITIVE_CACHE_CAPACITY": "9"},
            {"DNNL_PRIMITIVE_CACHE_CAPACITY": "9", "LRU_CACHE_CAPACITY": KERNEL_CACHES["LRU_CACHE_CAPACITY"]},
        ),
    ],
)
def test_the_users_choice_is_kept(
    chosen: dict[str, str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = dict(chosen)
    monkeypatch.setattr("swissbert.device.os.environ", environ)
    limit_kernel_caches()
    assert environ == expected


def test_the_numbers_of_a_run_do_not_depend_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "5")
    assert not set(numeric_variables()) & set(NAMES)
