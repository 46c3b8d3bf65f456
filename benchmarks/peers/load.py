"""Closed-loop load on a server of this machine: N clients, each with one pair a request, for S seconds.

    python benchmarks/peers/load.py http://127.0.0.1:8100/predict --data DIR [--clients 64] [--seconds 10] [--body JSON]

In the body, $a and $b stand for the two sentences. Prints one JSON line with requests a second, latencies in milliseconds
and the number of responses by status code.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from data import read_rows

RETRY_AFTER = 0.05
"""Seconds that a client waits after a response other than 200."""


@dataclass
class Outcome:
    """What the clients measured: seconds of each response with status 200, and the number of responses by status."""

    seconds: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)

    def percentile(self, share: float) -> float | None:
        """Return a percentile of the latencies in milliseconds; None without responses."""
        if not self.seconds:
            return None
        ordered = sorted(self.seconds)
        return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def fill(template: Any, first: str, second: str) -> Any:
    """Replace ``$a`` and ``$b`` in a JSON value."""
    if isinstance(template, dict):
        return {key: fill(value, first, second) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value, first, second) for value in template]
    return {"$a": first, "$b": second}.get(template, template) if isinstance(template, str) else template


async def client(
    session: aiohttp.ClientSession, url: str, bodies: list[Any], number: int, clients: int, end: float, out: Outcome
) -> None:
    """Send one request after the other until `end`, beginning with body `number` and going on in steps of `clients`."""
    index = number
    while time.perf_counter() < end:
        body = bodies[index % len(bodies)]
        index += clients
        start = time.perf_counter()
        try:
            async with session.post(url, json=body, timeout=aiohttp.ClientTimeout(60)) as response:
                await response.read()
                out.codes[str(response.status)] += 1
                if response.status == 200:
                    out.seconds.append(time.perf_counter() - start)
                else:
                    await asyncio.sleep(RETRY_AFTER)
        except (aiohttp.ClientError, TimeoutError) as error:
            out.codes[type(error).__name__] += 1
            await asyncio.sleep(RETRY_AFTER)


async def load(url: str, bodies: list[Any], clients: int, seconds: float) -> tuple[Outcome, float]:
    """Run all clients; return their outcome and the seconds that it took."""
    out, start = Outcome(), time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        end = start + seconds
        await asyncio.gather(
            *(client(session, url, bodies, number, clients, end, out) for number in range(clients)),
        )
    return out, time.perf_counter() - start


def main() -> None:
    """Load one server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--body", default='{"text": "$a", "text_pair": "$b"}')
    options = parser.parse_args()
    if urlsplit(options.url).hostname not in ("127.0.0.1", "localhost"):
        parser.error(
            f"url is '{options.url}', but only a server of this machine may be loaded (http://127.0.0.1:PORT/...)"
        )
    pairs = [row.texts for task in ("para", "sts") for row in read_rows(options.data, task, "dev", shuffle=0)]
    bodies = [fill(json.loads(options.body), first, second) for first, second in pairs]
    out, seconds = asyncio.run(load(options.url, bodies, options.clients, options.seconds))
    figures = {
        "requests_per_s": round(len(out.seconds) / seconds, 1),
        "p50_ms": out.percentile(0.5),
        "p99_ms": out.percentile(0.99),
        "codes": dict(out.codes),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
