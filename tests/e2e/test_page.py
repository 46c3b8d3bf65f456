"""The page in a browser: typing, pairs, attention, hostile text, and a server that restarts."""

import ast
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route


def start(model: Path | str, port: int, *arguments: str, key: str | None = None) -> subprocess.Popen[str]:
    """Start `swissbert serve` and wait until it listens."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} | ({"SWISSBERT_API_KEY": key} if key else {})
    command = [sys.executable, "-m", "swissbert", "serve", str(model), "--port", str(port), *arguments]
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


def left(page: "Page", selector: str) -> float:
    return float(page.locator(selector).first.evaluate("node => node.getBoundingClientRect().left"))


def top(page: "Page", selector: str) -> float:
    return float(page.locator(selector).first.evaluate("node => node.getBoundingClientRect().top + scrollY"))


def write(page: "Page", first: str, second: str = "") -> None:
    """Type both texts; the first one last, so that an answer with it is one to both."""
    page.get_by_label("Second sentence").fill(second)
    page.get_by_label("Sentence", exact=True).fill(first)


def test_typing_a_sentence_shows_five_bars_that_change(page: "Page") -> None:
    write(page, "")
    page.get_by_label("Sentence", exact=True).press_sequentially("a good film")
    page.locator(".answer .text", has_text="a good film").first.wait_for()
    assert answers(page) == ["sst"]
    values = page.locator(".answer .value")
    assert values.count() == 5
    shares = [int(text.removesuffix(" %")) for text in values.all_inner_texts()]
    assert 97 <= sum(shares) <= 103
    assert page.locator("#summary").inner_text().startswith("Sentiment of a film review: ")
    page.get_by_label("Sentence", exact=True).press_sequentially(" is bad")
    page.locator("#lines .token", has_text="bad").first.wait_for()
    assert "bad" in page.locator(".answer .text").inner_text()


def test_the_page_opens_with_an_example_that_is_answered_right(page: "Page") -> None:
    page.locator(".answer .word").first.wait_for()
    assert answers(page) == ["para", "sts", "sst", "sst"]
    titles = page.locator(".answer h3").all_inner_texts()
    assert titles[:3] == [
        "Do these say or ask the same?",
        "Similarity of meaning, 0 to 5",
        "Sentiment of a film review",
    ]
    assert page.locator(".answer[data-task=para] .labelled").inner_text() == "Example, labelled “paraphrase” ✓"
    assert left(page, "#answers") > left(page, "#first") + 200, "answers are beside the texts"
    page.set_viewport_size({"width": 390, "height": 844})
    assert top(page, ".answer .result") < 600, "the first answer is above the fold of a phone"
    page.get_by_text("Scores and limits").click()
    assert page.locator("#scores li").count() == 3
    assert "Similarity of meaning, 0 to 5: correlation (Pearson r) 0.871" in page.locator("#scores").inner_text()
    assert "Languages other than English." in page.locator("#not-for").inner_text()


def test_words_that_made_an_answer_are_marked_and_told(page: "Page") -> None:
    write(page, "A wonderful film, warm and funny.")
    word = page.locator(".answer .word", has_text="wonderful")
    word.wait_for()
    assert page.locator(".answer .text").inner_text() == "A wonderful film, warm and funny."
    why = page.locator(".answer .why")
    assert why.inner_text().startswith("For “")
    assert "“wonderful” (" in why.inner_text()
    strength = word.evaluate("node => parseFloat(node.style.getPropertyValue('--strength'))")
    others = page.locator(".answer .word", has_text="film").evaluate(
        "node => parseFloat(node.style.getPropertyValue('--strength'))"
    )
    assert strength > others
    word.hover()
    assert re.fullmatch(r"Without “wonderful”: “.*” is \d+\u00a0% instead of \d+\u00a0%\.", why.inner_text())
    page.get_by_text("Effect of each word").click()
    rows = page.locator(".effects tbody tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows][:3] == ["A", "wonderful", "film"]
    assert re.fullmatch(r"wonderful\t\d+\t\+\d+", rows[1].strip())
    assert page.locator(".effects thead").inner_text().strip().split("\t") == [
        "left out",
        "without it, %",
        "effect, points",
    ]


BROKEN = """node => {
  const broken = [], walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT), range = document.createRange();
  while (walker.nextNode())
    for (const { 0: word, index } of walker.currentNode.textContent.matchAll(/\\S+/g)) {
      range.setStart(walker.currentNode, index);
      range.setEnd(walker.currentNode, index + word.length);
      if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) broken.push(word);
    }
  return broken;
}"""
"""Words of an element that are on more than one line."""


@pytest.mark.parametrize("width", [1280, 390])
def test_the_table_of_effects_breaks_no_word(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.locator(".answer .word").first.wait_for()
    for summary in page.get_by_text("Effect of each word").all():
        summary.click()
    for table in page.locator(".effects table").all():
        assert table.evaluate(BROKEN) == []
        numbers = table.locator("td")
        styles = numbers.evaluate_all(
            "cells => cells.map(cell => [getComputedStyle(cell)].map(s => s.textAlign + s.whiteSpace)[0])"
        )
        assert set(styles) == {"endnowrap"}
        assert {re.sub(r"[\d.]", "", text) for text in numbers.all_inner_texts()} <= {"", "+", "−"}, (
            "units are in the heads"
        )
    write(page, "a " + "wonderful" * 8)
    page.locator(".answer .word", has_text="wonderful").wait_for()
    scroll = page.locator(".effects .scroll")
    assert scroll.evaluate("node => node.scrollWidth <= node.clientWidth"), "a word longer than its column is broken"


def test_numbers_that_are_shown_do_not_contradict_each_other(page: "Page") -> None:
    page.locator(".answer .word").first.wait_for()
    page.get_by_role("button", name="The acting is superb and the story moved me to tears. |").click()
    page.locator(".answer .word").first.wait_for()
    for card in page.locator(".answer").all():
        card.get_by_text("Effect of each word").click()
        is_score = card.locator(".scale").count() > 0
        shown = card.locator(".result").evaluate("node => node.firstChild.data") if is_score else ""
        whole = shown or card.locator(".bar.assigned .value").inner_text().removesuffix(" %")
        told = card.locator(".effects p").inner_text().replace("\u00a0", " ")
        assert told.startswith("With all words, ")
        assert told.endswith(f" is {whole}{'' if is_score else ' %'}.")
        words = card.locator(".word")
        for i, row in enumerate(card.locator(".effects tbody tr").all_inner_texts()):
            _, without, effect = row.split("\t")
            assert round(float(effect.replace("−", "-")), 2) == round(float(whole) - float(without), 2), row
            if i in {0, 6}:
                words.nth(i).hover()
                hover = card.locator(".why").inner_text().replace("\u00a0", " ")
                assert f" {without}{'' if is_score else ' %'} instead of {whole}{'' if is_score else ' %'}." in hover


def test_effects_are_differences_of_rounded_numbers(page: "Page") -> None:
    effects = {
        "words": [{"text": "a"}, {"text": "b c"}],
        "value": 0.5651,  # 57 %, and 2 points from 58.49, which is 58 %
        "without": [0.5849, 0.5551],
        "label": 0,
        "task": {"labels": ["good"]},
    }
    call = "async given => { const words = await import('/page/words.js'); return words.%s; }"
    rows = page.evaluate(call % "table(given).textContent", effects)
    assert "a58−1" in rows
    assert "b c56+1" in rows
    said = page.evaluate(call % "sentence(given)", effects)
    lower = effects | {"without": [0.7, 0.5551]}
    assert page.evaluate(call % "sentence(given)", lower).startswith("Against “good”: “a” (without it 70")
    assert said.startswith("No single part decides: “good” stays near 57"), "neighbouring words are left out together"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_for_and_against_can_be_seen_and_told_apart_without_colours(
    page: "Page", scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.locator(".answer .word").first.wait_for()
    least = {"light": 0.12, "dark": 0.22}[scheme]
    for kind, line in (("for", "solid"), ("against", "dotted")):
        for place in (".answer", "#legend"):
            marked = page.locator(f"{place} .word.{kind}")
            assert marked.count() > 0
            styles = marked.evaluate_all(
                "nodes => nodes.map(node => getComputedStyle(node)).map(s => [s.textDecorationStyle, s.backgroundColor])"
            )
            assert {style for style, _ in styles} == {line}
            assert min(float(colour.rstrip(")").split("/")[1]) for _, colour in styles) >= least


def test_the_lines_of_tasks_are_sentences_with_words_for_metrics(page: "Page") -> None:
    page.locator(".answer .word").first.wait_for()
    for summary in page.get_by_text("About this task").all():
        summary.click()
    lines = page.locator(".about p").all_inner_texts()
    assert [line for line in lines if not line[0].isupper()] == []
    assert "Correlation (Pearson r) on its dev rows: 0.871" in lines
    assert "Learned mostly from pairs of English questions" in page.locator("[data-task=para] .about").inner_text()


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_the_precision_of_answers_is_told(page: "Page", url: str, precision: str) -> None:
    with urlopen(f"{url}v1/model") as response:
        model = json.load(response)
    page.route("**/v1/model", lambda route: route.fulfill(json=model | {"precision": precision}))
    page.reload()
    page.get_by_text("Scores and limits").click()
    assert page.get_by_text("eight-bit products (int8)").is_visible() == (precision == "int8")


def test_the_calls_of_a_program_give_the_answers_of_the_page(page: "Page") -> None:
    write(page, 'It isn\'t "good" — a $HOME `film` \\ 🎈', "it's a film")
    page.locator(".answer[data-task=sts] .text", has_text="HOME").wait_for()
    score = page.locator(".answer[data-task=sts] .result").inner_text().split()[0]
    shell = page.locator("#curl").inner_text()
    given = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True, timeout=60).stdout
    python = page.locator("#python").inner_text()
    printed = subprocess.run([sys.executable, "-c", python], capture_output=True, text=True, check=True, timeout=60)
    content = json.loads(given)["answers"]
    assert f"{content[0]['sts']['score']:.2f}" == score
    assert ast.literal_eval(printed.stdout) == content


def faults(page: "Page", scheme: Literal["light", "dark"]) -> list[str]:
    """Serious faults that axe-core finds."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page.emulate_media(color_scheme=scheme)
    violations = axe.Axe().run(page).response["violations"]
    serious = [fault for fault in violations if fault["impact"] in ("serious", "critical")]
    return [f"{fault['id']} at {node['target']}" for fault in serious for node in fault["nodes"]]


def test_axe_finds_no_serious_fault(page: "Page", url: str) -> None:
    page.locator(".answer .word").first.wait_for()
    for summary in page.locator("summary").all():
        summary.click()
    page.get_by_label("[CLS] and [SEP]").check()
    assert faults(page, "light") == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert faults(page, "dark") == []
    page.route("**/v1/predict", reject)
    write(page, "a cat")
    page.locator("#problem", has_text="No good").wait_for()
    assert faults(page, "light") == []
    page.goto(f"{url}docs")
    page.locator(".route").first.wait_for()
    assert faults(page, "dark") == []


def test_heat_maps_have_the_colours_of_the_page(page: "Page") -> None:
    page.locator("#overview canvas").first.wait_for()

    def lightest(number: int) -> int:
        canvas = page.locator("#overview canvas").nth(number)
        pixels = "node => [...node.getContext('2d').getImageData(0, 0, 9, 9).data]"
        return max(int(red) for i, red in enumerate(canvas.evaluate(pixels)) if i % 4 == 0)

    assert lightest(0) > 150
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(100)
    assert lightest(1) < 120  # of another one, because the browser warns of repeated reading


def test_a_pair_shows_all_tasks(page: "Page") -> None:
    write(page, "a dog runs", "the dog runs in the park")
    page.locator(".answer[data-task=sts] .text", has_text="in the park").wait_for()
    assert answers(page) == ["para", "sts", "sst", "sst"]
    score = page.locator(".answer[data-task=sts] .result").inner_text().split()[0]
    assert re.fullmatch(r"[0-5]\.\d\d", score)
    label = page.locator(".scale").get_attribute("aria-label")
    assert label == f"{score} on a scale from 0 (unrelated) to 5 (same meaning)"
    assert page.locator(".scale .ends").inner_text().split("\n") == ["0 unrelated", "5 same meaning"]
    assert page.locator(".answer[data-task=para] .value").count() == 2


def test_answers_to_a_text_that_was_cut_are_marked(page: "Page") -> None:
    write(page, "film " * 520)
    page.locator(".answer .cut").wait_for()
    assert page.locator(".answer .cut").inner_text().startswith("The text is too long: its end was not read.")
    page.locator(".answer s.unread").wait_for(timeout=15_000)
    assert "in a long text together with its neighbours" in page.locator("#legend").inner_text()
    read = page.locator(".answer .word").count()
    assert 20 < read < 100, "neighbouring words of a long text are left out together"
    assert page.locator(".answer s.unread").inner_text().split() == ["film"] * 10
    write(page, "film")
    page.locator(".answer .cut").wait_for(state="detached")


def test_the_page_says_that_it_looks_for_words(page: "Page") -> None:
    page.locator(".answer .word").first.wait_for()
    held: list[Route] = []
    page.route("**/v1/explain", lambda route: held.append(route))
    with page.expect_request("**/v1/explain"):
        write(page, "a cat sleeps")
    assert page.locator(".answer .text").inner_text() == "a cat sleeps"
    why = page.locator(".answer .why")
    assert why.inner_text() == "Finding the words that made the answer …"
    assert why.get_attribute("aria-busy") == "true"
    held[0].continue_()
    page.locator(".answer .word", has_text="cat").wait_for()
    assert "Finding" not in why.inner_text()
    assert why.get_attribute("aria-busy") == "false"


def test_the_api_page_shows_routes_and_limits(page: "Page", url: str) -> None:
    page.get_by_role("link", name="API", exact=True).click()
    page.locator(".route[data-path='/v1/predict']").wait_for()
    assert page.url == f"{url}docs"
    names = [route.get_attribute("data-path") for route in page.locator(".route").all()]
    assert names[:3] == ["/v1/predict", "/v1/attention", "/v1/explain"]
    body = page.locator(".route[data-path='/v1/predict'] pre").all_inner_texts()
    assert body[0].startswith(f"curl -s {url}v1/predict")
    assert "inputs: string" in body[1]
    page.locator("#limits td", has_text="1,024").wait_for()
    assert "`" not in page.locator("main").inner_text()
    codes = page.locator(".route[data-path='/v1/predict'] code").all_inner_texts()
    assert codes == ["tasks", "text", "text_pair", "/v1/limits"]


def test_attention_has_lines_a_boundary_and_an_overview(page: "Page") -> None:
    write(page, "a dog runs", "it is good")
    page.locator("#lines .token", has_text="dog").first.wait_for()  # of the text that is typed last
    tokens = page.locator("#lines .token:not(.to) text").all_text_contents()
    assert tokens == ["[CLS]", "a", "dog", "runs", "[SEP]", "it", "is", "good", "[SEP]"]
    assert page.locator("#lines .boundary").count() == 1
    assert page.locator("#attention-note").inner_text().startswith("Shown: layer ")
    assert page.locator("#overview button").count() == 6 * 12
    heads = page.locator("#overview .name").all_inner_texts()
    assert heads == ["", *map(str, range(1, 13)), *map(str, range(1, 7))]
    before = page.locator("#lines").inner_html()
    page.get_by_role("button", name="layer 2, head 3").click()
    assert page.locator("#overview button[aria-pressed=true]").get_attribute("aria-label") == "layer 2, head 3"
    assert (page.locator("#layer").input_value(), page.locator("#head").input_value()) == ("1", "2")
    assert page.locator("#lines").inner_html() != before
    page.get_by_label("Head", exact=True).select_option("5")  # one that attends to more than [CLS] and [SEP]
    assert "head=5" in page.url
    count = page.locator("#lines line").count()
    page.get_by_label("[CLS] and [SEP]").check()
    assert page.locator("#lines line").count() > count
    page.locator("#lines .token").first.focus()
    for key in ("ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert page.locator("#attention-words").inner_text().startswith("dog attends to ")
    assert {line.get_attribute("y1") for line in page.locator("#lines line:not(.boundary)").all()} == {"64"}
    page.keyboard.press("ArrowRight")
    assert page.locator("#attention-words").inner_text().startswith("dog is attended to by ")
    assert {line.get_attribute("y2") for line in page.locator("#lines line:not(.boundary)").all()} == {"64"}
    page.get_by_label("Layer", exact=True).select_option("mean")
    assert "layer=mean" in page.url
    page.get_by_role("button", name="Most linking head").click()
    assert "layer" not in page.url


def test_the_page_opens_with_attention_that_links_words_of_one_meaning(page: "Page") -> None:
    page.locator("#lines line").first.wait_for(state="attached")
    tokens = page.locator("#lines .token:not(.to) text").all_text_contents()
    lines = page.locator("#lines line:not(.boundary)")
    assert 4 < lines.count() < len(tokens), "weak links hide no strong one"
    heights = page.locator("#lines .token:not(.to) text").evaluate_all(
        "nodes => nodes.map(node => node.getAttribute('y') - 5)"
    )
    ends = [[line.get_attribute(name) for name in ("y1", "y2", "stroke-width")] for line in lines.all()]
    words = dict(zip(heights, tokens, strict=True))
    strong = {
        (words[float(y1)], words[float(y2)]) for y1, y2, width in ends if y1 and y2 and width and float(width) > 2
    }
    assert {("tears", "cry"), ("cry", "tears"), ("story", "story")} <= strong
    page.locator("#lines .token:not(.to)", has_text="me").first.hover()
    told = page.locator("#attention-words")
    assert told.inner_text().startswith("me (first) attends to ")
    page.locator("#lines .token.to", has_text="tears").hover()
    assert told.inner_text().startswith("tears is attended to by cry ")
    page.locator("#lines .token:not(.to)", has_text="the").nth(1).hover()
    assert told.inner_text().startswith("the (first, no. 2) attends to ")


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
    page.locator(".answer[data-task=sts] .text", has_text="שלום").wait_for()
    assert page.evaluate("window.hit") is None
    assert page.locator("main img, main script").count() == 0
    assert page.locator(".answer .text").first.inner_text() == hostile
    page.locator(".answer .word", has_text="שלום").first.wait_for()
    assert page.locator(".answer .text").first.inner_text() == hostile
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
    page.locator("#attention-note", has_text="No attention to show").wait_for()
    page.route("**/v1/predict", reject)
    write(page, "a cat")
    page.locator("#problem", has_text="No good").wait_for()
    assert page.locator(".answer").count() == 0, "the answers to an earlier text are gone"
    page.unroute("**/v1/predict")
    write(page, "a cat runs")
    page.locator("#lines .token", has_text="runs").first.wait_for()
    assert page.locator("#problem").is_hidden()


def reject(route: "Route") -> None:
    body = json.dumps({"error": "inputs.0.text: no good", "field": "inputs.0.text"})
    route.fulfill(status=422, content_type="application/json", body=body)


def overload(route: "Route") -> None:
    route.fulfill(
        status=429, content_type="application/json", body='{"error": "overloaded"}', headers={"retry-after": "1"}
    )


def test_answers_stay_when_words_and_attention_are_refused(page: "Page") -> None:
    page.locator(".answer .word").first.wait_for()
    page.route("**/v1/explain", overload)
    page.route("**/v1/attention", overload)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    write(page, "a cat")
    page.locator("#effects-note", has_text="cannot be shown. The server is overloaded.").wait_for()
    assert page.locator(".answer .why").inner_text() == "", "the page looks for no words any more"
    assert page.locator("#attention-note").inner_text() == "No attention to show. The server is overloaded."
    assert page.locator(".answer .text").inner_text() == "a cat"
    assert page.locator("#legend").is_hidden()
    before = len(asked)
    page.wait_for_timeout(1500)
    assert len(asked) == before, "nothing is repeated"


def test_an_overloaded_server_is_asked_again_after_the_time_that_it_names(page: "Page") -> None:
    page.locator(".answer .word").first.wait_for()
    page.route("**/v1/predict", overload, times=1)
    page.get_by_label("Second sentence").fill("")
    page.locator("#status", has_text="The server is overloaded. Trying again").wait_for()
    page.locator(".answer").first.wait_for()
    page.locator("#status").wait_for(state="hidden")
    assert answers(page) == ["sst"]


def test_an_error_of_a_proxy_has_a_sentence_and_leaves_nothing_of_an_earlier_text(page: "Page") -> None:
    page.locator(".answer .word").first.wait_for()
    page.route("**/v1/predict", lambda route: route.fulfill(status=502, json={"detail": "bad gateway"}))
    write(page, "a cat")
    page.locator("#problem", has_text="The server answered with status 502").wait_for()
    assert page.locator("#legend").is_hidden()
    assert page.get_by_role("heading", name="Attention").is_hidden()
    assert page.locator("#summary").inner_text() == ""


def test_empty_fields_show_no_attention(page: "Page") -> None:
    page.locator("#lines .token").first.wait_for()
    write(page, "")
    page.get_by_text("Type a sentence to see answers.").wait_for()
    assert page.get_by_role("heading", name="Attention").is_hidden()
    write(page, "a cat")
    page.locator("#lines .token", has_text="cat").first.wait_for()
    assert page.get_by_role("heading", name="Attention").is_visible()


def test_what_was_opened_stays_open(page: "Page") -> None:
    page.locator(".answer .word").first.wait_for()
    sst = page.locator(".answer[data-task=sst]").first
    for summary in ("About this task", "Effect of each word"):
        sst.get_by_text(summary).click()
    write(page, "a cat")
    page.locator(".answer .text", has_text="a cat").first.wait_for()
    assert page.locator("details.about[open]").count() == 1
    page.locator(".answer .word", has_text="cat").wait_for()
    assert page.locator("details.about[open], details.effects[open]").count() == 2


def test_examples_keyboard_and_small_screens(page: "Page") -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    button = page.locator("#examples button", has_text="Welsh")
    button.focus()
    page.keyboard.press("Enter")
    page.locator(".answer[data-task=para] .text", has_text="Welsh").wait_for()
    assert answers(page) == ["para", "sts", "sst", "sst"]
    assert page.locator(".answer[data-task=para] .labelled").inner_text() == "Example, labelled “different” ✓"
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
        page.locator(".answer[data-task=sts]").wait_for()
        write(page, "a good film")
        page.locator(".answer .text", has_text="a good film").first.wait_for()
        process.kill()
        process.wait(30)
        write(page, "a dog runs")
        page.locator("#status", has_text="The server cannot be reached. Trying again").wait_for()
        assert "a dog runs" in page.locator("#curl").inner_text()
        page.wait_for_timeout(600)  # the dimming takes half a second
        for old in ("#answers", "#attention"):
            assert page.locator(old).evaluate("node => getComputedStyle(node).opacity") == "0.6", (
                "it is of another text"
            )
        process = start(tiny_run, port)
        page.locator("#lines .token", has_text="runs").first.wait_for(timeout=15_000)
        assert page.locator("#status").is_hidden()
        assert page.locator("#attention").get_attribute("aria-busy") == "false"
        assert "a dog runs" in page.locator(".answer .text").inner_text()
    finally:
        page.close()
        process.kill()
        process.wait(30)


def test_the_page_asks_for_an_api_key(browser: "Browser", tiny_run: Path) -> None:
    port, key = free_port(), "a-key-of-sixteen-characters"
    process = start(tiny_run, port, "--data", "starter", key=key)
    page = browser.new_page()
    try:
        page.goto(f"http://127.0.0.1:{port}/#a=a+good+film")
        page.locator("#problem").wait_for()
        write(page, "a good film!")
        page.wait_for_timeout(300)
        assert page.locator("#problem").is_visible(), "typing does not hide that the key is missing"
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Use key").click()
        page.locator(".answer").wait_for()
        assert key not in page.url
        assert "$SWISSBERT_API_KEY" in page.locator("#curl").inner_text()
        assert page.locator("#examples-title").inner_text() == "Examples, dev rows of its data"
        assert page.locator("#examples button").count() > 3
        assert page.locator("#problem").is_hidden()
    finally:
        page.close()
        process.terminate()
        process.wait(30)
