"""The service checks room before it tokenizes, and tokenizes long texts in a worker thread."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request

from swissbert.data.token_table import TokenTable
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.serving import service as service_module
from swissbert.serving.api_errors import ApiError
from swissbert.serving.batcher import MAX_CUSTOM_JOBS
from swissbert.serving.jobs import Job
from swissbert.serving.request_queue import PART_JOBS
from swissbert.serving.schemas import AttentionBody, ExplainBody, Input
from swissbert.serving.service import INLINE_CHARACTERS, Service

pytestmark = pytest.mark.usefixtures("one_thread")

UNKNOWN = "x" * 150  # too long for WordPiece: a single [UNK]
LONG = " ".join([UNKNOWN] * 20)
"""More characters than are tokenized on the event loop, but few tokens."""


@pytest.fixture
def model(tiny_run: Path) -> Model:
    return load(tiny_run, device="cpu")


@pytest.fixture
def service(model: Model) -> Iterator[Service]:
    service = Service(model, deadline=10, max_jobs=32)
    yield service
    service.batcher.close()


class Encoding:
    """Records the thread of each tokenization; blocks those in worker threads until `open` is set."""

    def __init__(self, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[threading.Thread] = []
        self.open = threading.Event()
        self.open.set()
        for name in ("encode", "encode_with_places"):
            monkeypatch.setattr(model.tokenizer, name, self._recorded(getattr(model.tokenizer, name)))

    def _recorded(self, encode: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*args: Any, **options: Any) -> Any:
            self.threads.append(threading.current_thread())
            assert threading.current_thread() is threading.main_thread() or self.open.wait(10)
            return encode(*args, **options)

        return recorded


@pytest.fixture
def encoding(model: Model, monkeypatch: pytest.MonkeyPatch) -> Encoding:
    return Encoding(model, monkeypatch)


def connected() -> Request:
    """A request whose client stays connected."""

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    return Request({"type": "http", "state": {}}, receive)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


def test_attention_tokenizes_once_short_texts_inline(service: Service, encoding: Encoding) -> None:
    async def scenario() -> None:
        content = await service.attention(connected(), AttentionBody(text="a good film", text_pair="it is"))
        assert content.startswith(b'{"tokens": ["[CLS]", "a", "good", "film", "[SEP]", "it", "is", "[SEP]"]')

    run(scenario)
    assert encoding.threads == [threading.main_thread()]


@pytest.mark.parametrize(("text", "is_answered"), [(LONG, True), ("film " * 1990, False)])
def test_attention_tokenizes_long_texts_once_in_a_worker_thread(
    service: Service, encoding: Encoding, text: str, is_answered: bool
) -> None:
    assert len(text) > INLINE_CHARACTERS

    async def scenario() -> None:
        body = AttentionBody(text=text)
        if is_answered:
            assert (await service.attention(connected(), body)).count(b"[UNK]") == 20
            return
        with pytest.raises(ApiError, match=r"text: \d+ tokens; attention is available for at most 64") as error:
            await service.attention(connected(), body)
        assert (error.value.status, error.value.field) == (422, "text")

    run(scenario)
    assert len(encoding.threads) == 1
    assert encoding.threads[0] is not threading.main_thread()


def test_attention_of_a_model_trained_on_shorter_texts_is_truncated(service: Service) -> None:
    assert service.model.description.encoder.max_length == 48

    async def scenario() -> None:
        content = await service.attention(connected(), AttentionBody(text="film " * 55))
        assert content.count(b'"film"') == 46

    run(scenario)


def test_without_room_nothing_is_tokenized(
    service: Service, encoding: Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, proceed = threading.Event(), threading.Event()

    def block(*_: Any) -> bytes:
        started.set()
        assert proceed.wait(10)
        return b"{}"

    monkeypatch.setattr(service_module, "attention_json", block)

    async def scenario() -> None:
        def ask() -> "asyncio.Task[bytes]":
            return asyncio.create_task(service.attention(connected(), AttentionBody(text="a film")))

        waiting = [ask()]
        await asyncio.to_thread(started.wait, 5)
        waiting += [ask() for _ in range(MAX_CUSTOM_JOBS)]
        await asyncio.sleep(0.05)
        assert service.batcher.queued == MAX_CUSTOM_JOBS
        before = len(encoding.threads)
        with pytest.raises(ApiError) as error:
            await service.attention(connected(), AttentionBody(text="a film"))
        assert error.value.status == 429
        assert len(encoding.threads) == before
        proceed.set()
        assert await asyncio.gather(*waiting) == [b"{}"] * (MAX_CUSTOM_JOBS + 1)

    run(scenario)


def test_requests_that_are_being_tokenized_take_room(service: Service, encoding: Encoding) -> None:
    encoding.open.clear()

    async def scenario() -> None:
        waiting = [
            asyncio.create_task(service.attention(connected(), AttentionBody(text=LONG)))
            for _ in range(MAX_CUSTOM_JOBS)
        ]
        await asyncio.sleep(0.05)
        with pytest.raises(ApiError) as error:
            await service.attention(connected(), AttentionBody(text="a film"))
        assert error.value.status == 429
        content = await service.predict(connected(), [Input(text="a film")], [[service.model.task("sst")]])
        assert set(json.loads(content)["answers"][0]) == {"sst"}, "attention requests leave room for others"
        encoding.open.set()
        assert all(content.startswith(b'{"tokens"') for content in await asyncio.gather(*waiting))

    run(scenario)


def test_tasks_for_an_input(service: Service) -> None:
    def names(pair: str | None, tasks: list[str] | None) -> list[str]:
        return [task.name for task in service.tasks_for(Input(text="a", text_pair=pair), tasks, "inputs.3")]

    assert names(None, None) == ["sst"]
    assert names("b", None) == ["para", "sts"]
    assert names("b", ["sts", "para", "sts"]) == ["sts", "para"]
    with pytest.raises(
        ApiError, match=r"^inputs\.3: task 'sts' takes a pair of texts, not one text; add text_pair$"
    ) as error:
        names(None, ["sst", "sts"])
    assert (error.value.status, error.value.field) == (422, "inputs.3")
    with pytest.raises(ApiError, match="tasks: there is no task 'stss'; did you mean 'sts'") as error:
        names("b", ["stss"])
    assert (error.value.status, error.value.field) == (422, "tasks")


def test_work_of_clients_that_closed_their_side_makes_room(model: Model) -> None:
    async def scenario() -> None:
        service = Service(model, deadline=10, max_jobs=1)
        busy, entered = threading.Event(), threading.Event()

        def wait() -> None:
            entered.set()
            busy.wait(10)

        first = Job(service._tables([Input(text="a")], [[model.task("sst")]])[0], [], asyncio.Future(), wait)
        service.batcher.submit([first])
        await asyncio.to_thread(entered.wait, 5)

        def ask(request: Request) -> Awaitable[bytes]:
            return asyncio.ensure_future(service.predict(request, [Input(text="a film")], [[model.task("sst")]]))

        gone = connected()
        waiting = ask(gone)
        await asyncio.sleep(0.05)
        with pytest.raises(ApiError):
            await ask(connected())
        gone.scope["state"]["on_half_closed"]()
        other = ask(connected())
        await asyncio.sleep(0.05)
        busy.set()
        assert b"sst" in await other
        with pytest.raises(ApiError) as error:
            await waiting
        assert error.value.status == 429
        service.batcher.close()

    run(scenario)


def test_an_explanation_waits_in_parts_like_other_texts_and_is_tokenized_once(
    service: Service, encoding: Encoding, model: Model
) -> None:
    text = " ".join(["good", "film"] * 20)
    body = ExplainBody(text=text)
    queued: list[int] = []
    submit = service.batcher.submit

    def counted(jobs: list[Job]) -> None:
        queued.append(len(jobs))
        submit(jobs)

    service.batcher.submit = counted  # type: ignore[method-assign]

    async def scenario() -> None:
        content = json.loads(await service.explain(connected(), body, [model.tasks["sst"]]))
        assert [word["text"] for word in content["words"]] == text.split()
        effects = content["tasks"]["sst"]
        assert len(effects["without"]) == 40
        assert effects["answer"]["probabilities"][effects["label"]] == pytest.approx(effects["value"], abs=1e-4)

    run(scenario)
    assert sum(queued) == 41
    assert max(queued) <= PART_JOBS
    assert len(encoding.threads) == 1
    assert encoding.threads[0] is not threading.main_thread()


def test_words_without_spaces_count_as_words_of_an_explanation(
    service: Service, encoding: Encoding, model: Model
) -> None:
    text = "电影很好看" * 4  # each character is a word that is left out

    async def scenario() -> None:
        content = json.loads(await service.explain(connected(), ExplainBody(text=text), [model.tasks["sst"]]))
        assert [word["text"] for word in content["words"]] == list(text)

    run(scenario)
    assert len(encoding.threads) == 1
    assert encoding.threads[0] is not threading.main_thread()


def test_without_room_an_explanation_is_refused_before_it_is_tokenized(service: Service, encoding: Encoding) -> None:
    service.batcher.max_jobs = 4

    async def scenario() -> None:
        table = _table(service)
        waiting = [Job(table, ["sst"], asyncio.get_running_loop().create_future()) for _ in range(4)]
        service.batcher._queue.extend(waiting)  # without telling the model thread
        with pytest.raises(ApiError) as error:
            await service.explain(connected(), ExplainBody(text="a good film"), [service.model.tasks["sst"]])
        assert error.value.status == 429
        service.batcher._queue.clear()

    before = len(encoding.threads)
    run(scenario)
    assert len(encoding.threads) == before + 1, "that of the waiting job"


def _table(service: Service) -> TokenTable:
    return service.model.tokenizer.encode(["a film"], None, together=False, max_length=8)
