"""Requests under names of other sites, or from their pages, are refused."""

import pytest

from swissbert.errors import SwissbertError
from swissbert.serving.api_errors import ApiError
from swissbert.serving.hosts import Hosts, names_for

HOSTS = Hosts(["nlp.example.org", "[2001:db8::1]"], ["https://a.example"])


def headers(host: str | None, origin: str | None = None, **more: str) -> list[tuple[bytes, bytes]]:
    named = {"host": host, "origin": origin, **{name.replace("_", "-"): value for name, value in more.items()}}
    return [(name.encode(), value.encode("latin-1")) for name, value in named.items() if value is not None]


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost", None),
        ("localhost:8000", "http://localhost:8000"),
        ("LocalHost:1", "http://localhost:3000"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("127.0.0.2", None),
        ("[::1]:8000", "http://[::1]:8000"),
        ("NLP.example.org", "https://nlp.example.org"),
        ("[2001:db8::1]:80", None),
        ("localhost", "https://a.example"),
        (None, None),
    ],
)
def test_own_names_pass(host: str | None, origin: str | None) -> None:
    HOSTS.check(headers(host, origin))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example", None),
        ("evil.example:8000", "http://evil.example:8000"),
        ("169.254.169.254", None),
        ("127.0.0.1.nip.io", None),
        ("localhost.evil.example", None),
        ("localhost@evil.example", None),
        ("evil.example/localhost", None),
        ("", None),
        ("a.nlp.example.org", None),
        ("\xff", None),
        ("localhost", "http://evil.example"),
        ("localhost", "null"),
        ("localhost", "http://localhost.evil.example"),
        ("localhost", "http://localhost@evil.example"),
        ("localhost", ""),
    ],
)
def test_other_names_are_refused(host: str, origin: str | None) -> None:
    with pytest.raises(ApiError) as error:
        HOSTS.check(headers(host, origin))
    assert error.value.status == 403
    assert len(error.value.message) < 300


def test_two_hosts_are_refused() -> None:
    with pytest.raises(ApiError):
        HOSTS.check([(b"host", b"localhost"), (b"host", b"localhost")])


def test_own_pages_behind_a_proxy_that_changes_the_host_pass() -> None:
    HOSTS.check(headers("127.0.0.1:8000", "https://public.example", sec_fetch_site="same-origin"))
    with pytest.raises(ApiError):
        HOSTS.check(headers("127.0.0.1:8000", "https://public.example", sec_fetch_site="cross-site"))
    with pytest.raises(ApiError):
        HOSTS.check(headers("public.example", "https://public.example", sec_fetch_site="same-origin"))


def test_names_are_checked_on_this_machine_or_where_some_are_given() -> None:
    for host in ("localhost", "127.0.0.1", "::1"):
        assert names_for(host, []) == []
    assert names_for("0.0.0.0", []) is None
    assert names_for("0.0.0.0", ["nlp.example.org"]) == ["nlp.example.org"]


@pytest.mark.parametrize("name", ["*", "", "https://a.example", "a.example:80", "a b", "x" * 254])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(SwissbertError, match="allow_host is "):
        Hosts([name], [])
