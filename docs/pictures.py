"""Create the pictures of the README and docs: the page of a server, four figures of a report, and a terminal.

    swissbert serve mini --port 8000 &
    swissbert analyse results/minilm/runs/final/seed-0 --data cs224n --out runs/report
    python docs/pictures.py http://127.0.0.1:8000 runs/report messages.csv /usr/bin/chromium

Arguments are the address of the server, the folder of the report, a CSV file with the columns ``message`` and ``level``, and the
program of Chromium or Chrome.
"""

import contextlib
import fcntl
import html
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pyte
from PIL import Image
from playwright.sync_api import sync_playwright

FIGURES = ["confusion-sst", "scatter-sts", "attention-between-sentences", "gradients"]
WIDTH, GAP = 1600, 24
"""Width of the grid of figures and space between them, in pixels."""
COLUMNS, LINES = 80, 200
"""Size of the terminal; so many lines that none is scrolled away."""
COMMANDS = [
    "swissbert train messages.csv --text message --label level --out runs/messages",
    'swissbert predict runs/messages "The server is down again."',
]
"""What the terminal shows."""
TERMINAL = """
<style>
  body { margin: 0; background: #fff; }
  pre { display: inline-block; white-space: pre-wrap; margin: 0; padding: 20px; border-radius: 10px; background: #1b1f27; color: #e4e7ec;
        font: 15px/1.4 "DejaVu Sans Mono", monospace; }
  b { color: #7bd88f; }
</style>
<pre>%s</pre>
"""


def save_page(url: str, browser: str, out: Path) -> None:
    """Save a screenshot of the page as it opens, with its words and attention."""
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        page.goto(url)
        page.wait_for_selector("#lines svg")
        page.wait_for_selector(".answer .word")
        page.wait_for_timeout(500)
        page.screenshot(path=out, full_page=True)
        chromium.close()
    Image.open(out).convert("RGB").save(out, optimize=True)


def save_terminal(rows: Path, browser: str, out: Path) -> None:
    """Save what is on a terminal of 80 columns after the commands, in its colours."""
    parts = []
    with tempfile.TemporaryDirectory() as place:
        Path(place, "messages.csv").write_bytes(rows.read_bytes())
        for command in COMMANDS:
            parts.append(f"<b>$ {html.escape(command)}</b>\n{in_terminal(command, Path(place))}")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1100, "height": 900}, device_scale_factor=1.5)
        page.set_content(TERMINAL % "\n".join(parts).rstrip())
        page.locator("pre").screenshot(path=out)
        chromium.close()
    Image.open(out).quantize(64).save(out, optimize=True)


def in_terminal(command: str, place: Path) -> str:
    """Run a command in a terminal of its own; return the lines on its screen in the end, as HTML."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "TERM": "xterm-256color", "PATH": path}
    environment = {
        name: value for name, value in environment.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")
    }
    process = subprocess.Popen(
        command, shell=True, cwd=place, env=environment, stdin=far, stdout=far, stderr=far, start_new_session=True
    )
    os.close(far)
    with contextlib.suppress(OSError):  # raised when no process has the other end any more
        while data := os.read(near, 65536):
            stream.feed(data)
    os.close(near)
    if process.wait():
        raise SystemExit(f"{command}: exit status {process.returncode}\n" + "\n".join(screen.display))
    lines = ["".join(map(as_html, groupby((screen.buffer[y][x] for x in range(COLUMNS)), style))) for y in range(LINES)]
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def style(cell: pyte.screens.Char) -> str:
    """Return the CSS of a cell of the screen."""
    colour = {"default": "", "brown": "#e5c07b", "green": "#7bd88f", "red": "#ff7b72", "cyan": "#6cc7d9"}.get(
        cell.fg, cell.fg
    )
    colour = "#9aa4b2" if cell.fg.startswith("bright") or cell.fg == "black" else colour
    parts = [f"color:{colour}" if colour else "", "font-weight:bold" if cell.bold else ""]
    return ";".join(filter(None, parts))


def as_html(group: tuple[str, Iterator[pyte.screens.Char]]) -> str:
    """Return neighbouring cells of one style."""
    css, cells = group
    text = html.escape("".join(cell.data for cell in cells))
    return f'<span style="{css}">{text}</span>' if css else text


def save_figures(report: Path, out: Path) -> None:
    """Save two rows of two figures; figures of a row have the same height, and both rows the same width."""
    rows = []
    for names in (FIGURES[:2], FIGURES[2:]):
        images = [Image.open(report / "figures" / f"{name}.png").convert("RGB") for name in names]
        height = (WIDTH - GAP) / sum(image.width / image.height for image in images)
        rows.append([image.resize((round(height * image.width / image.height), round(height))) for image in images])
    grid = Image.new("RGB", (WIDTH, sum(row[0].height for row in rows) + GAP), "white")
    top = 0
    for left, right in rows:
        grid.paste(left, (0, top))
        grid.paste(right, (WIDTH - right.width, top))
        top += left.height + GAP
    grid.save(out, optimize=True)


if __name__ == "__main__":
    here = Path(__file__).parent
    save_page(sys.argv[1], sys.argv[4], here / "page.png")
    save_figures(Path(sys.argv[2]), here / "report.png")
    save_terminal(Path(sys.argv[3]), sys.argv[4], here / "terminal.png")
