"""Makes the README's pictures: the page of a running server, and four figures of a report side by side.

swissbert serve mini --port 8000 &
swissbert analyse results/minilm/runs/final/seed-0 --data cs224n --out runs/report
python docs/pictures.py http://127.0.0.1:8000 runs/report /usr/bin/chromium
"""

import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

FIGURES = ["confusion-sst", "scatter-sts", "attention-between-sentences", "gradients"]


def page(url: str, browser: str, out: Path) -> None:
    """The page with a pair of sentences."""
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        shown = chromium.new_page(viewport={"width": 1000, "height": 900}, color_scheme="light")
        shown.goto(url)
        shown.get_by_label("Sentence", exact=True).fill("How do I keep basil alive indoors?")
        shown.get_by_label("Second sentence").fill("What helps a basil plant survive in a kitchen?")
        shown.wait_for_selector("#lines svg")
        shown.wait_for_timeout(1000)
        shown.screenshot(path=out, full_page=True)
        chromium.close()


def figures(report: Path, out: Path) -> None:
    """Two rows of two figures, as high as each other in a row, and both rows as wide."""
    width, gap = 1600, 24
    rows: list[list[Image.Image]] = []
    for names in (FIGURES[:2], FIGURES[2:]):
        found = [Image.open(report / "figures" / f"{name}.png").convert("RGB") for name in names]
        height = (width - gap) / sum(image.width / image.height for image in found)
        rows.append([image.resize((round(height * image.width / image.height), round(height))) for image in found])
    whole = Image.new("RGB", (width, sum(row[0].height for row in rows) + gap), "white")
    top = 0
    for left, right in rows:
        whole.paste(left, (0, top))
        whole.paste(right, (width - right.width, top))
        top += left.height + gap
    whole.save(out, optimize=True)


if __name__ == "__main__":
    here = Path(__file__).parent
    page(sys.argv[1], sys.argv[3], here / "page.png")
    figures(Path(sys.argv[2]), here / "report.png")
