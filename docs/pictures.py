"""Create the pictures of the README and docs: the page of a running server, and four figures of a report in a grid.

    swissbert serve mini --port 8000 &
    swissbert analyse results/minilm/runs/final/seed-0 --data cs224n --out runs/report
    python docs/pictures.py http://127.0.0.1:8000 runs/report /usr/bin/chromium

Arguments are the address of the server, the folder of the report and the program of Chromium or Chrome.
"""

import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

FIGURES = ["confusion-sst", "scatter-sts", "attention-between-sentences", "gradients"]
WIDTH, GAP = 1600, 24
"""Width of the grid of figures and space between them, in pixels."""


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
    Image.open(out).convert("RGB").quantize(256).save(out, optimize=True)


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
    save_page(sys.argv[1], sys.argv[3], here / "page.png")
    save_figures(Path(sys.argv[2]), here / "report.png")
