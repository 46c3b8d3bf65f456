"""Names under which a server may be asked, and pages that may ask it.

A page of any site can make a browser ask a server on its own machine, and by DNS rebinding (a name of the site that leads to
127.0.0.1) it can even read the answers. Such requests have the site's name in the headers Host and Origin.
"""

import ipaddress
import re
from collections.abc import Sequence

from swissbert.errors import SwissbertError
from swissbert.serving.api_errors import ApiError
from swissbert.settings import shown

NAME = re.compile(r"[A-Za-z0-9._-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?")
"""A host name or an IP address."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
ORIGIN = re.compile(rf"https?://{_HOST.pattern}")
"""An origin as browsers send it: a scheme and a host, perhaps with a port."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is that of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def names_for(host: str, more: Sequence[str]) -> list[str] | None:
    """Return the names under which a server may be asked besides those of this machine; None for any name.

    Args:
        host: Address that the server listens on.
        more: Further names, of the option ``--allow-host``.
    """
    return list(more) if more or is_loopback(host) else None


def valid_name(name: str) -> str:
    """Return a host name as it is compared.

    Raises:
        SwissbertError: If it is not a host name or an address without a port.
    """
    if not NAME.fullmatch(name):
        raise SwissbertError(
            f"allow_host is {shown(name)}, but it must be a host name such as nlp.example.org, without scheme, port and '*'",
            argument="allow_host",
        )
    return name.strip("[]").lower()


class Hosts:
    """A check of the headers Host and Origin.

    Args:
        names: Names under which the server may be asked, besides ``localhost`` and loopback addresses.
        origins: Origins whose pages may ask it besides its own, in lower case.
    """

    def __init__(self, names: Sequence[str], origins: Sequence[str]) -> None:
        self.names = {valid_name(name) for name in names}
        self.origins = set(origins)

    def check(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Check the headers of a request. Programs other than browsers need send neither header.

        Raises:
            ApiError: 403 if the request may be that of another site's page.
        """
        hosts = [value for name, value in headers if name == b"host"]
        if hosts:
            host = hosts[0].decode("latin-1")
            found = _HOST.fullmatch(host)
            if len(hosts) > 1 or found is None or not self._is_known(found[1]):
                name = shown(found[1] if found else host)
                raise ApiError(403, f"host {name} is no name of this server; --allow-host adds one")
        origin = next((value.decode("latin-1").lower() for name, value in headers if name == b"origin"), None)
        if origin is None or origin in self.origins:
            return
        found = ORIGIN.fullmatch(origin)
        is_own = found is not None and self._is_known(found[1])
        # a proxy may pass on another Host than the browser asked; the browser then says so itself
        if not is_own and (b"sec-fetch-site", b"same-origin") not in headers:
            raise ApiError(
                403, f"origin {shown(origin)} may not ask this server; --cors-origin or --allow-host adds one"
            )

    def _is_known(self, host: str) -> bool:
        name = host.strip("[]").lower()
        return name in self.names or is_loopback(name)
