"""The command ``env``: versions, machine and device."""

import json

from swissbert.cli.program import JsonOption


def env(as_json: JsonOption = False) -> None:
    """Show versions, machine, device and precision."""
    from swissbert.environment import environment

    rows = environment()
    print(json.dumps(rows) if as_json else "\n".join(f"{key:12} {value}" for key, value in rows.items()))
