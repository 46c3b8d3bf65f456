"""Clients that are slow, silent, greedy or many: the server ends those that keep it waiting, and health checks go on."""

import asyncio
import collections
import contextlib
import json
import random
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from campaign.frame import Outcome, Setting, Trial
from campaign.served import ENDED, GOOD, LIVEZ, SECRET, Server, Watch, get, is_open, post, read, until

HEALTH = 100.0
"""Milliseconds within which 99 of 100 health checks are answered, whatever the load."""
LOOK = post(
    json.dumps({"text": f"{SECRET} a good film", "text_pair": "and a man in the park"}).encode(), "/v1/attention"
)
HALF_BODY = post(GOOD)[:-10]


def heads(setting: Setting) -> Outcome:
    """Send heads without end, on one connection and on many, and measure the memory that they take."""
    outcome = Outcome("request heads and what is around bodies, without end")
    server = Server(setting.folder)
    size = setting.number(200, 3)
    chunked = b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    kinds = {
        "one header": (get("/")[:-2] + b"x: ", b"a" * (1 << 20)),
        "many headers": (get("/")[:-2], b"x: aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 32768),
        "short headers": (get("/")[:-2], b"x:\r\n" * 262_144),
        "the path": (b"GET /", b"a" * (1 << 20)),
        "the method": (b"", b"A" * (1 << 20)),
        "line breaks": (b"", b"\r\n" * (1 << 19)),
        "requests": (b"", LIVEZ * 20_000),
        "a trailer": (chunked + b"1\r\n{\r\n0\r\nx: ", b"a" * (1 << 20)),
        "trailers": (chunked + b"1\r\n{\r\n0\r\n", b"x: a\r\n" * 174_000),
        "the extension of a chunk": (chunked + b"1;", b"a" * (1 << 20)),
        "tiny chunks": (chunked, b"1\r\n \r\n" * 174_000),
        "the body of a GET": (get("/livez", f"content-length: {1 << 40}\r\n"), b"a" * (1 << 20)),
    }
    server.ask(post(b" " * 9_000_000))  # buffers of the event loop are there before
    largest = 0.0
    for name, (head, piece) in list(kinds.items())[:: setting.number(1, 2)]:
        before, peak = server.memory, 0.0
        with Watch(server) as watch, server.connect(0.5) as client, contextlib.suppress(OSError):
            client.sendall(head)
            for _ in range(size):
                client.sendall(piece)
                peak = max(peak, server.memory - before)
        peak = max(peak, server.memory - before)
        largest = max(largest, peak)
        fault = f"{name}: {peak:.1f} MB more memory" if peak > 4 else watch.fault(1000 if setting.short else 2 * HEALTH)
        outcome.count(fault and f"{name}: {fault}")
    before, count, clients = server.memory, setting.number(900, 100), []
    for _ in range(count):
        client = server.connect()
        client.sendall(get("/")[:-2] + b"x: a\r\n" * 90 + b"y: " + b"a" * 31_000)
        clients.append(client)
    time.sleep(0.2)
    each = (server.memory - before) / count
    outcome.count(f"{each:.2f} MB for each of {count} connections" if each > 1 else None)
    outcome.count(server.odd_log())
    outcome.figures |= {"most memory for one connection": f"{largest:.1f} MB", f"for each of {count}": f"{each:.2f} MB"}
    return outcome


def slow_clients(setting: Setting) -> Outcome:
    """Open connections that are silent, drip or do not read; others are answered meanwhile, and they are ended."""
    outcome = Outcome("silent, dripping and unread connections, and those beside them")
    server = Server(setting.folder, files=1024)
    files, count = server.files, setting.number(1100, 300)
    with Watch(server) as watch:
        silent = [server.connect(3) for _ in range(count)]
        statuses = [server.ask(post(GOOD))[0] for _ in range(20)] + [server.ask(LIVEZ)[0] for _ in range(20)]
    for status in statuses:
        outcome.count(f"beside {count} silent connections: {status}" if status != 200 else None)
    outcome.count(watch.fault(2 * HEALTH if not setting.short else 1000))
    uploads = [server.connect() for _ in range(256)]
    for client in uploads:
        client.sendall(HALF_BODY)
    time.sleep(0.2)
    for _ in range(40):
        status = server.ask(post(GOOD))[0]
        outcome.count(f"beside 256 dripping bodies: {status}" if status != 200 else None)
    for _ in range(20):
        status = server.ask(post(GOOD), half_close=True)[0]
        outcome.count(f"a client that closed its side after the request: {status}" if status != 200 else None)
    with server.connect() as client:
        client.sendall(post(GOOD) * 200)
        rest = bytearray()
        for _ in range(200):
            status = read(client, rest)[0]
            outcome.count(f"one of 200 requests at once: {status}" if status != 200 else None)
    if setting.short:
        return outcome
    kinds = {"silent": silent, "with half a body": uploads}
    kinds["with a dripping head"] = dripping = [server.connect() for _ in range(50)]
    kinds["silent after a response"] = [_after_response(server) for _ in range(50)]
    kinds["with line breaks after a response"] = breaking = [_after_response(server) for _ in range(50)]
    kinds["with a long body after a response"] = leftover = [server.connect() for _ in range(50)]
    for client in leftover:
        client.sendall(get("/livez", "content-length: 1000000\r\n"))
    for second in range(20):
        for clients, drop in ((dripping, get("/livez")[second : second + 1]), (breaking, b"\r\n"), (leftover, b"a")):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.sendall(drop)
        time.sleep(1)
    for name, clients in kinds.items():
        still = sum(map(is_open, clients))
        outcome.count(f"{still} of {len(clients)} connections {name} are open after 20 s" if still else None)
    outcome.count(None if until(5, lambda: server.files <= files + 5) else f"{server.files} open files, {files} before")
    outcome.count(server.odd_log())
    return outcome


def _after_response(server: Server) -> socket.socket:
    """Return a connection that has had a response."""
    client = server.connect()
    client.sendall(LIVEZ)
    read(client)
    return client


def unread(setting: Setting) -> Outcome:
    """Ask for large answers and do not read them; memory is bounded, and the connections are ended."""
    outcome = Outcome("responses that nobody reads")
    server = Server(setting.folder)
    body = json.dumps({"inputs": [f"{SECRET} {i}" for i in range(1000)]}).encode()
    status = server.ask(post(body))[0]  # what one such answer takes to compute is there before the count begins
    outcome.count(f"a large answer that is read: {status}" if status != 200 else None)
    count, before = setting.number(300, 20), server.memory
    clients = [server.connect(buffer=2048) for _ in range(count)]
    for client in clients:
        client.sendall(post(body) * 3)
        time.sleep(setting.number(50, 10) / 1000)
    grown = server.memory - before
    outcome.count(f"{grown:.0f} MB for {count} responses" if grown > count else None)  # 1 MB each
    outcome.figures[f"memory for {count}"] = f"{grown:.0f} MB"
    if not setting.short:
        time.sleep(60)  # answers to all of them take half a minute, and each may stay unread for another
        still = server.files
        outcome.count(f"{still} files are open after a minute" if still > 60 else None)
    is_well = until(20, lambda: server.ask(post(GOOD))[0] == 200)  # the queue may be full at first
    outcome.count(server.odd_log() if is_well else "no answer afterwards")
    return outcome


async def _client(
    port: int, number: int, end: float, requests: list[bytes], leave: float, seen: collections.Counter[str]
) -> None:
    """Send one request after the other until `end`, on connections that are kept where the server keeps them."""
    numbers, streams = random.Random(number), None
    while time.monotonic() < end:
        try:
            streams = streams or await asyncio.open_connection("127.0.0.1", port)
            reader, writer = streams
            writer.write(numbers.choice(requests))
            if numbers.random() < leave:
                writer.close()
                streams = None
                seen["left"] += 1
                continue
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 40)
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            await reader.readexactly(length)
            status = head.split()[1].decode()
            if b"connection: close" in head.lower():
                writer.close()
                streams = None
        except (OSError, EOFError, TimeoutError) as error:
            status, streams = type(error).__name__, None
        seen[status] += 1
        if status != "200":
            await asyncio.sleep(0.01)


def _load(port: int, clients: int, seconds: float, requests: list[bytes]) -> dict[str, int]:
    """Keep clients busy for so many seconds; return how many requests had which status, or what else became of them."""
    seen: collections.Counter[str] = collections.Counter()

    async def run() -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(*(_client(port, i, end, requests, 0.05, seen) for i in range(clients)))

    asyncio.run(run())
    return dict(seen)


def load(setting: Setting) -> Outcome:
    """Send ten times what the server can answer; each request gets an answer, and health checks are answered at once."""
    outcome = Outcome("requests at ten times what the server can answer")
    server = Server(setting.folder)
    heavy = post(json.dumps({"inputs": [f"{SECRET} " + "word and other words " * 10] * 64}).encode())
    pairs = post(json.dumps({"inputs": [["How do I swim?", f"{SECRET} how can one swim?"]] * 4}).encode())
    unknown = post(json.dumps({"inputs": {"text": SECRET, **{f"k{i}": 0 for i in range(40_000)}}}).encode())
    pool = ProcessPoolExecutor(1, get_context("fork"))
    before = server.memory
    for clients, seconds, requests in (
        (24, setting.number(10, 0), [LOOK]),
        (400, setting.number(40, 1), [post(GOOD), post(GOOD), pairs, heavy, LOOK]),
        (16, setting.number(10, 0), [post(GOOD), unknown]),
    ):
        if not seconds:
            continue
        with Watch(server, 0.02) as watch:
            running = pool.submit(_load, server.port, clients, seconds, requests)  # beside the process that watches
            seen = running.result()
        odd = {status: number for status, number in seen.items() if status not in ("200", "429", "422", "left")}
        outcome.tried += sum(seen.values())
        outcome.well += sum(seen.values()) - sum(odd.values())
        outcome.faults += [f"{clients} clients: {odd}"] if odd else []
        outcome.count(watch.fault(HEALTH if not setting.short else 1000))
        outcome.figures[f"/livez p99 with {clients} clients"] = f"{watch.percentile(0.99):.0f} ms"
    outcome.count(f"{server.memory - before:.0f} MB more memory" if server.memory - before > 150 else None)
    pool.shutdown()
    status = server.ask(post(GOOD))[0]
    outcome.count(f"afterwards: {status}" if status != 200 else server.odd_log())
    return outcome


def stopping(setting: Setting) -> Outcome:
    """Stop the server under load: what was sent is answered, and clients that keep it waiting do not delay the end."""
    outcome = Outcome("SIGTERM beside busy and slow clients")
    for number in range(setting.number(3, 1)):
        server = Server(setting.folder)
        server.ask(LIVEZ)
        clients = [server.connect() for _ in range(20)]
        for client in clients:
            client.sendall(post(GOOD))
        time.sleep(0.01 * number)
        code, seconds = server.stop()
        outcome.count(f"exit status {code} after {seconds:.1f} s" if code != 0 or seconds > 10 else server.odd_log())
        for client in clients:
            with client, contextlib.suppress(ConnectionResetError):  # one that was not accepted yet
                status, said = read(client)
                outcome.count(f"{status} {said[:60]!r} at SIGTERM" if status not in (200, ENDED) else None)
    for name, sent in {
        "half a head": b"POST /v1/pre",
        "half a body": HALF_BODY,
        "nothing": b"",
        "unread": LOOK * 20,
    }.items():
        if setting.short and name != "nothing":
            continue
        server = Server(setting.folder)
        with server.connect(buffer=2048) as client:
            client.sendall(sent)
            time.sleep(0.2)
            code, seconds = server.stop()
        outcome.count(
            f"{name}: exit status {code} after {seconds:.1f} s" if code != 0 or seconds > 20 else server.odd_log()
        )
    return outcome


TRIALS: dict[str, Trial] = {"heads": heads, "slow": slow_clients, "unread": unread, "load": load, "stopping": stopping}
