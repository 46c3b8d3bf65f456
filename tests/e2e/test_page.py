"""The page in a browser: typing, pairs, attention, hostile text, and a server that restarts."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route


def start(model: Path | str, port: int, key: str | None = None) -> subprocess.Popen[str]:
    """Start `swissbert serve` and wait until it listens."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} | ({"SWISSBERT_API_KEY": key} if key else {})
    command = [sys.executable, "-m", "swissbert", "serve", str(model), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == f"serving on http://127.0.0.1:{port}\n"
    return process


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Address of a server with the model that ships."""
    port = free_port()
    process = start("mini", port)
    yield f"http://127.0.0.1:{port}/"
    process.terminate()
    process.wait(30)


@pytest.fixture
def page(browser: "Browser", url: str) -> "Iterator[Page]":
    """The page; afterwards, check that it logged no error and loaded nothing from elsewhere."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    errors: list[str] = []
    urls: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: urls.append(request.url))
    page.goto(url)
    yield page
    assert [error for error in errors if not error.startswith("Failed to load resource")] == []
    assert [one for one in urls if not one.startswith((url, "data:"))] == []
    page.close()


def answers(page: "Page") -> list[str]:
    """Task names of the answers shown."""
    return [card.get_attribute("data-task") or "" for card in page.locator(".answer").all()]


def write(page: "Page", first: str, second: str = "") -> None:
    page.get_by_label("Sentence", exact=True).fill(first)
    page.get_by_label("Second sentence").fill(second)


def test_typing_a_sentence_shows_five_bars_that_change(page: "Page") -> None:
    page.get_by_label("Sentence", exact=True).press_sequentially("a good film")
    page.locator(".answer").wait_for()
    assert answers(page) == ["sst"]
    values = page.locator(".answer .value")
    assert values.count() == 5
    shares = [int(text.removesuffix(" %")) for text in values.all_inner_texts()]
    assert 97 <= sum(shares) <= 103
    assert page.locator("#summary").inner_text().startswith("sst: ")
    page.get_by_label("Sentence", exact=True).press_sequentially(" is bad")
    page.locator("#lines .token", has_text="bad").first.wait_for()
    assert "bad" in page.locator(".answer .of").inner_text()


def test_a_pair_shows_all_tasks(page: "Page") -> None:
    write(page, "a dog runs", "the dog runs in the park")
    page.locator(".answer[data-task=sts]").wait_for()
    assert answers(page) == ["sst", "sst", "para", "sts"]
    assert re.fullmatch(r"[0-5]\.\d\d", page.locator(".gauge .score").text_content() or "")
    assert page.locator(".gauge").get_attribute("aria-label") in [
        f"{page.locator('.gauge .score').text_content()} on a scale from 0 to 5"
    ]
    assert page.locator(".answer[data-task=para] .value").count() == 2


def test_answers_to_a_text_that_was_cut_are_marked(page: "Page") -> None:
    write(page, "film " * 520)
    page.locator(".answer .cut").wait_for()
    assert page.locator(".answer .cut").inner_text() == "The text is too long: its end was not read."
    write(page, "film")
    page.locator(".answer .cut").wait_for(state="detached")


def test_the_api_page_shows_routes_and_limits(page: "Page", url: str) -> None:
    page.get_by_role("link", name="API", exact=True).click()
    page.locator(".route[data-path='/v1/predict']").wait_for()
    assert page.url == f"{url}docs"
    names = [route.get_attribute("data-path") for route in page.locator(".route").all()]
    assert names[:2] == ["/v1/predict", "/v1/attention"]
    body = page.locator(".route[data-path='/v1/predict'] pre").all_inner_texts()
    assert body[0].startswith(f"curl -s {url}v1/predict")
    assert "inputs: string" in body[1]
    page.locator("#limits td", has_text="1,024").wait_for()


def test_attention_has_lines_a_boundary_and_an_overview(page: "Page") -> None:
    write(page, "a dog runs", "it is good")
    page.locator("#lines .boundary").wait_for(state="attached")
    tokens = page.locator("#lines .token text").all_text_contents()
    assert tokens == ["[CLS]", "a", "dog", "runs", "[SEP]", "it", "is", "good", "[SEP]"]
    assert page.locator("#lines line").count() > 20
    assert page.locator("#overview button").count() == 6 * 12
    before = page.locator("#lines").inner_html()
    page.get_by_role("button", name="layer 2, head 3").click()
    assert page.locator("#overview button[aria-pressed=true]").get_attribute("aria-label") == "layer 2, head 3"
    assert (page.locator("#layer").input_value(), page.locator("#head").input_value()) == ("1", "2")
    assert page.locator("#lines").inner_html() != before
    page.get_by_label("Head", exact=True).select_option("4")
    assert "head=4" in page.url
    count = page.locator("#lines line").count()
    page.locator("#lines .token").nth(2).focus()
    assert page.locator("#lines line").count() < count
    assert "dog attends to" in (page.locator("#lines .token").nth(2).get_attribute("aria-label") or "")


def test_a_link_restores_the_state(page: "Page", url: str) -> None:
    write(page, "a dog & a cat?", "it #1")
    page.locator("#lines .boundary").wait_for(state="attached")
    page.get_by_label("Layer", exact=True).select_option("2")
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    page.locator("#lines .boundary").wait_for(state="attached")
    assert page.get_by_label("Sentence", exact=True).input_value() == "a dog & a cat?"
    assert page.get_by_label("Second sentence").input_value() == "it #1"
    assert page.get_by_label("Layer", exact=True).input_value() == "1"


def test_markup_in_texts_is_shown_as_text(page: "Page", url: str) -> None:
    hostile = "<img src=x onerror=window.hit=1><script>window.hit=1</script> שלום 🎈"
    write(page, hostile, '"><svg onload=window.hit=1>')
    page.locator(".answer[data-task=sts]").wait_for()
    assert page.evaluate("window.hit") is None
    assert page.locator("main img, main script").count() == 0
    assert page.locator(".answer .of").first.inner_text() == hostile
    page.goto(f"{url}#a=%3Cscript%3Ewindow.hit%3D1%3C%2Fscript%3E&layer=999&head=x")
    page.reload()
    page.locator(".answer").wait_for()
    assert page.evaluate("window.hit") is None
    with urlopen(url) as response:
        policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_errors_are_shown_until_corrected(page: "Page") -> None:
    write(page, "a dog", " ".join(["film"] * 100))
    page.locator("#lines", has_text="No attention to show").wait_for()
    page.route("**/v1/predict", reject)
    write(page, "a cat")
    page.locator("#problem", has_text="inputs.0.text: no good").wait_for()
    page.unroute("**/v1/predict")
    write(page, "a cat runs")
    page.locator("#lines .token", has_text="runs").first.wait_for()
    assert page.locator("#problem").is_hidden()


def reject(route: "Route") -> None:
    body = json.dumps({"error": "inputs.0.text: no good", "field": "inputs.0.text"})
    route.fulfill(status=422, content_type="application/json", body=body)


def test_examples_keyboard_and_small_screens(page: "Page") -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    button = page.locator("#examples button").nth(2)
    button.focus()
    page.keyboard.press("Enter")
    page.locator("#lines .boundary").wait_for(state="attached")
    assert answers(page) == ["sst", "sst", "para", "sts"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 30)"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select, textarea, a')]"
        ".filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).length"
    )
    assert unnamed == 0


def test_the_page_reconnects_to_a_restarted_server(browser: "Browser", tiny_run: Path) -> None:
    port = free_port()
    process = start(tiny_run, port)
    page = browser.new_page()
    try:
        page.goto(f"http://127.0.0.1:{port}/")
        write(page, "a good film")
        page.locator(".answer").wait_for()
        process.kill()
        process.wait(30)
        write(page, "a dog runs")
        page.locator("#status", has_text="The server cannot be reached. Trying again").wait_for()
        process = start(tiny_run, port)
        page.locator("#lines .token", has_text="runs").first.wait_for(timeout=15_000)
        assert page.locator("#status").is_hidden()
        assert "a dog runs" in page.locator(".answer .of").inner_text()
    finally:
        page.close()
        process.kill()
        process.wait(30)


def test_the_page_asks_for_an_api_key(browser: "Browser", tiny_run: Path) -> None:
    port, key = free_port(), "a-key-of-sixteen-characters"
    process = start(tiny_run, port, key)
    page = browser.new_page()
    try:
        page.goto(f"http://127.0.0.1:{port}/#a=a+good+film")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Use key").click()
        page.locator(".answer").wait_for()
        assert key not in page.url
        assert page.locator("#problem").is_hidden()
    finally:
        page.close()
        process.terminate()
        process.wait(30)
