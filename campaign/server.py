"""Hostile requests: bodies, shapes of HTTP, names and keys. None may be a 5xx, be logged, or hold up others."""

import json
import socket
import time

from campaign.frame import Outcome, Setting, Trial
from campaign.served import ENDED, GOOD, JSON, SECRET, Server, Watch, get, post, read

HELD = 100.0
"""Milliseconds that a health check may take beside one hostile request; half of it is left to a busy machine."""


def _object(fields: int, **more: object) -> dict[str, object]:
    return {"text": SECRET, **more, **{f"k{i}": 0 for i in range(fields)}}


def _bodies() -> dict[str, bytes]:
    """Bodies that are large, deep or odd, by name."""
    whole = {
        "40,000 unknown keys in an input": {"inputs": _object(40_000)},
        "20,000 unknown keys at the top": {"inputs": "x", **_object(20_000)},
        "64 inputs of 600 unknown keys": {"inputs": [_object(600) for _ in range(64)]},
        "1,024 inputs of 16 unknown keys": {"inputs": [_object(16) for _ in range(1024)]},
        "170,000 wrong inputs": {"inputs": [1] * 170_000},
        "1,024 wrong inputs": {"inputs": [[1]] * 1024},
        "1,024 empty texts": {"inputs": [""] * 1024},
        "170,000 wrong tasks": {"inputs": "x", "tasks": [1] * 170_000},
        "64 unknown tasks": {"inputs": ["x"] * 1024, "tasks": ["x" * 80] * 64},
        "64 texts of 8,000 characters": {"inputs": ["a" * 8000] * 64},
        "10 texts of 9,999 characters": {"inputs": ["ab " * 3333] * 10},
        "1,024 inputs": {"inputs": [f"{SECRET} {i}" for i in range(1024)]},
        "1,024 pairs": {"inputs": [["a film", f"{SECRET} {i}"] for i in range(1024)]},
        "a key of 500,000 characters": {"inputs": "x", "k" * 500_000: 1},
        "a list in a list": {"inputs": [["a"] * 50_000]},
        "a task of line breaks": {"inputs": "x", "tasks": "\r\nx: y" * 13},
        "combining marks": {"inputs": "a" + "\u0301\u0327" * 999},
        "a text that grows": {"inputs": ["\ufdfa" * 9999] * 10},
        "Chinese": {"inputs": ["\u4e2d" * 9999] * 10},
    }
    parts = {
        "500,000 opening brackets": b"[" * 500_000,
        "250,000 brackets": b"[" * 250_000 + b"]" * 250_000,
        "80,000 objects in each other": b'{"a":' * 80_000,
        "900 lists in each other": b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}",
        "174,000 empty lists": b'{"inputs": [' + b"[]," * 174_000 + b"[]]}",
        "130,000 numbers": b'{"inputs": [' + b"1e9," * 130_000 + b"1]}",
        "170,000 empty texts": b'{"inputs": [' + b'"",' * 170_000 + b'""]}',
        "119 long numbers": b'{"inputs": [' + (b"9" * 4299 + b",") * 119 + b"1]}",
        "a number of 500,000 digits": b'{"inputs": 1' + b"0" * 500_000 + b"}",
        "500,000 decimals": b'{"inputs": 0.' + b"9" * 500_000 + b"}",
        "500,000 quotes": b'{"inputs": "' + b'\\"' * 250_000,
        "87,000 escapes": b'{"inputs": "' + b"\\u4e2d" * 87_000 + b'"}',
        "1e400": b'{"text": "x", "layer": 1e400}',
        "NaN": b'{"text": "x", "layer": NaN}',
        "a huge layer": b'{"text": "x", "layer": 99999999999999999999}',
        "true for a layer": b'{"text": "x", "layer": true}',
        "a key twice": b'{"inputs": "x", "inputs": {"text": 3}}',
        "half a surrogate pair": b'{"inputs": "\\ud800"}',
        "such a key": b'{"inputs": "x", "\\ud800": 1}',
        "such a task": b'{"inputs": "x", "tasks": "\\ud800"}',
        "NUL": b'{"inputs": "x\\u0000"}',
        "no UTF-8": b'{"inputs": "\xff\xfe"}',
        "UTF-16": GOOD.decode().encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + GOOD,
        "nothing": b"",
        "null": b"null",
        "spaces": b" " * 524_000,
        "9 MB": b" " * 9_000_000,
    }
    return {name: json.dumps(body).encode()[: 512 * 1024] for name, body in whole.items()} | parts


def odd_bodies(setting: Setting) -> Outcome:
    """Send each body alone, and the largest ones many at a time, while a health check is asked every few milliseconds."""
    outcome = Outcome("odd and large bodies, one at a time and 16 at once")
    server = Server(setting.folder)
    longest, rounds = 0.0, setting.number(3, 1)
    bodies = _bodies()
    for name, body in list(bodies.items())[:: setting.number(1, 5)]:
        path = "/v1/attention" if b'"layer"' in body[:100] else "/v1/predict"
        best = float("inf")  # of some tries: what the machine does by itself is not counted
        for _ in range(rounds):
            with Watch(server, 0.002) as watch:
                time.sleep(0.004)
                status, said = server.ask(post(body, path))
            best = min(best, watch.percentile(1))
        fault = _odd_answer(status, said) or (
            f"/livez took {best:.0f} ms" if best > HELD and not setting.short else None
        )
        longest = max(longest, best)
        outcome.count(f"{name}: {fault}" if fault else None)
    for name in ("40,000 unknown keys in an input", "170,000 empty texts", "1,024 pairs"):
        with Watch(server, 0.002) as watch:
            clients = [server.connect() for _ in range(16)]
            for client in clients:
                client.sendall(post(bodies[name]))
            answers = [_answer(client) for client in clients]
        odd = [fault for status, said in answers if (fault := _odd_answer(status, said))]
        held = watch.fault(2 * HELD) if not setting.short else None
        outcome.count(f"16 times {name}: {odd[0] if odd else held}" if odd or held else None)
    outcome.count(server.odd_log())
    outcome.figures["slowest health check beside one body"] = f"{longest:.0f} ms"
    return outcome


def _answer(client: socket.socket) -> tuple[int | str, bytes]:
    """Read the response of a client, and close it."""
    try:
        with client:
            return read(client)
    except OSError as error:
        return type(error).__name__, b""


def _odd_answer(status: int | str, said: bytes) -> str | None:
    """Return what is wrong with an answer to an odd body; None if nothing is."""
    if not isinstance(status, int) or status >= 500:
        return f"status {status}"
    if SECRET.encode() in said:
        return "the error repeats what the client sent"
    return f"an error of {len(said):,} bytes" if status != 200 and len(said) > 1000 else None


def _shapes() -> dict[str, tuple[bytes, bool]]:
    """Requests whose length can be read in two ways and others that are odd, and whether the first may be answered 200."""
    body = b'{"inputs": "x", "tasks": "sst"}'
    size, chunked = len(body), b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    def shape(head: str, sent: bytes = body) -> bytes:
        return f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\n{JSON}{head}\r\n".encode("latin-1") + sent

    length, coded = f"content-length: {size}\r\n", "transfer-encoding: chunked\r\n"
    return {
        "length and chunks": (shape(length + coded, chunked), False),
        "chunks and length": (shape(coded + length, chunked), False),
        "two lengths": (shape(f"{length}content-length: {size + 5}\r\n"), False),
        "a list of lengths": (shape(f"content-length: {size}, {size}\r\n"), False),
        "a length with a sign": (shape(f"content-length: +{size}\r\n"), False),
        "a negative length": (shape("content-length: -1\r\n"), False),
        "a hexadecimal length": (shape("content-length: 0x19\r\n"), False),
        "a space before the colon": (shape(f"content-length : {size}\r\n"), False),
        "an unknown coding": (shape("transfer-encoding: xchunked\r\n", chunked), False),
        "a vertical tab": (shape("transfer-encoding:\x0bchunked\r\n", chunked), False),
        "an endless chunk": (shape(coded, b"fffffffffffffffff\r\n" + body), False),
        "chunks of bare line feeds": (shape(coded, b"19\n" + body + b"\n0\n\n"), False),
        "NUL in a header": (shape(f"x: a\0b\r\n{length}"), False),
        "a folded header": (shape(f"x: a\r\n b\r\n{length}"), True),
        "a trailer": (shape(coded, chunked[:-2] + b"host: evil.example\r\n\r\n"), True),
        "HTTP/0.9": (b"GET /\r\n", False),
        "HTTP/9.9": (b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n", False),
        "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", False),
        "TLS": (bytes.fromhex("16030100a5010000a10303") + b"\0" * 160, False),
        "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\n", False),
        "an upgrade": (get("/v1/nowhere", "connection: upgrade\r\nupgrade: websocket\r\n"), False),
        "two hosts": (get("/v1/tasks", "host: localhost\r\n"), False),
        "an absolute address": (get("http://evil.example/v1/tasks"), True),
        "a wait for 100": (shape(f"expect: 100-continue\r\n{length}"), True),
        "101 headers": (get("/v1/tasks", "".join(f"x{i}: 1\r\n" for i in range(101))), False),
    }


PATHS = (
    "/page/../v1/tasks",
    "/page/%2e%2e/v1/tasks",
    "/page/..%2f..%2f..%2fetc/passwd",
    "/page/%00",
    "//v1/tasks",
    "/V1/tasks",
    "/page/page.js/../../app.py",
    "/page//etc/passwd",
    "/page/page.js%0d%0aset-cookie:a=b",
    "/page/\xff",
)
"""Paths at which there is nothing."""


def http_shapes(setting: Setting) -> Outcome:
    """Send requests that may be read in two ways, odd paths and methods; each is refused, or is one request."""
    outcome = Outcome("shapes of HTTP, paths and methods")
    server = Server(setting.folder)
    for name, (request, may_pass) in _shapes().items():
        statuses: list[int | str] = []
        try:
            with server.connect(setting.number(2, 1) / 4) as client:
                client.sendall(request + get("/v1/nowhere"))
                rest = bytearray()
                while (status := read(client, rest)[0]) != ENDED:
                    statuses.append(status)
                    if len(statuses) > 2 or status == 404:
                        break
        except OSError as error:
            statuses.append(type(error).__name__)
        is_odd = any(isinstance(status, int) and status >= 500 for status in statuses)
        outcome.count(f"{name}: {statuses}" if is_odd or (200 in statuses and not may_pass) else None)
    for path in PATHS:
        status, said = server.ask(get(path))
        outcome.count(f"{path!r}: {status}" if status not in (400, 404) or b"root:" in said else None)
    for method in ("PUT", "DELETE", "TRACE", "OPTIONS", "PATCH", "FOO", "GET"):
        status, _ = server.ask(f"{method} /v1/predict HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        outcome.count(f"{method}: {status}" if status not in (400, 405) else None)
    status, _ = server.ask(post(GOOD))
    outcome.count(f"a good request afterwards: {status}" if status != 200 else server.odd_log())
    return outcome


def names_and_keys(setting: Setting) -> Outcome:
    """Ask as the page of another site could, and with wrong keys."""
    outcome = Outcome("requests of other sites' pages, and wrong keys")
    server = Server(setting.folder, "--allow-host", "nlp.example.org")

    def expect(name: str, status: int | str, *allowed: int) -> None:
        outcome.count(f"{name}: {status}" if status not in allowed else None)

    def asked(host: str, origin: str | None, more: str = "") -> list[int | str]:
        head = f"host: {host}\r\n{f'origin: {origin}' if origin else 'x: y'}\r\n{more}"
        requests = [
            f"GET {path} HTTP/1.1\r\n{head}\r\n".encode() for path in ("/v1/tasks", "/metrics", "/openapi.json")
        ]
        body = f"POST /v1/predict HTTP/1.1\r\n{head}{JSON}content-length: {len(GOOD)}\r\n\r\n".encode() + GOOD
        return [server.ask(request)[0] for request in (*requests, body)]

    for host in (
        "evil.example",
        "evil.example:8000",
        "169.254.169.254",
        "",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
    ):
        for status in (*asked(host, None), *asked(host, f"http://{host}"), *asked("localhost", f"http://{host}")):
            expect(f"host or origin {host!r}", status, 403)
    for host in ("localhost", "127.0.0.1:9000", "[::1]:80", "LOCALHOST", "nlp.example.org"):
        for status in (*asked(host, None), *asked(host, f"http://{host}")):
            expect(f"host {host!r}", status, 200)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        head = f"content-type: {kind}\r\n" if kind else ""
        request = f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\n{head}content-length: {len(GOOD)}\r\n\r\n".encode()
        expect(f"a POST as {kind!r}", server.ask(request + GOOD)[0], 415)
    outcome.count(server.odd_log())
    server.command.kill()
    key = "k" * 20
    server = Server(setting.folder, key=key)
    forwarded = "x-forwarded-for: 127.0.0.1\r\nx-original-url: /livez\r\nx-http-method-override: GET\r\n"
    wrong = ("", key[:-1], f"{key}x", "\xff\xfe", f"{key} {key}")
    for head in (*(f"authorization: Bearer {guess}\r\n" for guess in wrong), forwarded, ""):
        expect(f"key {head!r}", server.ask(get("/v1/tasks", head))[0], 401)
    for path in ("/v1/tasks", "/metrics", "/openapi.json", "/page/../v1/tasks", "//v1/tasks", "/v1/tasks?x"):
        expect(f"{path} without a key", server.ask(get(path))[0], 401, 404)
    expect("the right key", server.ask(get("/v1/tasks", f"authorization: Bearer {key}\r\n"))[0], 200)
    outcome.count(server.odd_log())
    return outcome


TRIALS: dict[str, Trial] = {"bodies": odd_bodies, "http": http_shapes, "names": names_and_keys}
