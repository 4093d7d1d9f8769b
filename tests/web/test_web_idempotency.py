"""Idempotency-Key: the same request again gets the same answer, and starts nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from web_fakes import STUDY, TOKEN, FakePush, ended
from werkzeug.test import TestResponse

from adapter.errors import BusyError
from adapter.web import Token, create_app, idempotency
from adapter.web.idempotency import KEPT, Answers
from adapter.web.runs import Runs

SYNC = f"/studies/{STUDY}/sync"
BODY = b'{"server": "hospital"}'
KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'


class Clock:
    """Seconds that only a test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers(clock: Clock) -> Answers:
    return Answers(clock)


@pytest.fixture
def app(study: Path, push: FakePush, answers: Answers) -> Flask:
    tokens = [Token(TOKEN), Token("an0ther-token-0123456789")]
    return create_app({STUDY: study, "TEST02": study}, tokens, sync=push, answers=answers)


def send(
    client: FlaskClient, key: str | None, body: bytes = BODY, address: str = SYNC
) -> TestResponse:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(address, data=body, content_type="application/json", headers=headers)


def code(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["issue"][0]["code"]


def test_w07_the_same_request_gets_the_saved_answer(client: FlaskClient, push: FakePush) -> None:
    first = send(client, KEY)
    again = send(client, KEY)  # while it runs: without a key this were 409
    push.go.set()
    ended(client, first.headers["Content-Location"])
    late = send(client, KEY)
    for answer in (again, late):
        assert answer.status_code == 202
        assert answer.get_data() == first.get_data()
        for name in ("Content-Location", "Content-Type", "Cache-Control"):
            assert answer.headers.getlist(name) == first.headers.getlist(name)
        assert answer.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert len(push.calls) == 1


def test_w07_without_a_key_or_with_another_nothing_is_remembered(
    client: FlaskClient, push: FakePush
) -> None:
    push.go.set()
    runs = set()
    for key in (None, None, KEY, '"another"', '"the third"'):
        run = send(client, key).headers["Content-Location"]
        ended(client, run)
        runs.add(run)
    assert len(runs) == len(push.calls) == 5


def test_w07_another_body_is_refused(client: FlaskClient, push: FakePush) -> None:
    first = send(client, KEY)
    for body in (b"", b"{}", b'{"server":"hospital"}', b"not JSON"):
        assert code(send(client, KEY, body)) == (422, "business-rule")
    assert send(client, KEY).headers["Content-Location"] == first.headers["Content-Location"]
    push.go.set()


def test_w07_a_second_one_at_once_is_told_to_wait(
    app: Flask, client: FlaskClient, push: FakePush, monkeypatch: pytest.MonkeyPatch
) -> None:
    push.go.set()
    starting, go = threading.Event(), threading.Event()
    start = Runs.start

    def slow(self: Runs, study: str, folder: Path, server: str) -> object:
        starting.set()
        assert go.wait(10)
        return start(self, study, folder, server)

    monkeypatch.setattr(Runs, "start", slow)
    first: list[TestResponse] = []
    thread = threading.Thread(target=lambda: first.append(send(client, KEY)))
    thread.start()
    assert starting.wait(10)
    other = app.test_client()
    other.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    second = send(other, KEY)
    third = send(other, KEY, b"{}")
    go.set()
    thread.join(10)
    assert code(second) == (409, "lock-error")
    assert int(second.headers["Retry-After"]) > 0
    assert third.status_code == 422
    assert first[0].status_code == 202
    assert send(other, KEY).get_data() == first[0].get_data()


@pytest.mark.parametrize(
    "key", ["", '""', "x" * 256, f'"{"x" * 256}"', "with space", '"open', 'in"side', '"a\\b"', "é"]
)
def test_w07_what_is_no_key_is_refused(client: FlaskClient, push: FakePush, key: str) -> None:
    assert code(send(client, key)) == (400, "invalid")
    assert push.calls == []


@pytest.mark.parametrize("key", ["x", "x" * 255, f'"{"x" * 255}"', '"with space"', r'"a\"b\\"'])
def test_w07_what_is_a_key(client: FlaskClient, push: FakePush, key: str) -> None:
    push.go.set()
    assert send(client, key).get_data() == send(client, key).get_data()


def test_w07_quotes_are_no_part_of_the_key(client: FlaskClient, push: FakePush) -> None:
    push.go.set()
    assert send(client, KEY).get_data() == send(client, KEY.strip('"')).get_data()


def test_w07_a_key_belongs_to_a_token_and_a_study(
    app: Flask, client: FlaskClient, push: FakePush
) -> None:
    push.go.set()
    other = app.test_client()
    other.environ_base["HTTP_AUTHORIZATION"] = "Bearer an0ther-token-0123456789"
    first = send(client, KEY).headers["Content-Location"]
    ended(client, first)
    theirs = send(other, KEY, b"{}").headers["Content-Location"]
    ended(client, theirs)
    elsewhere = send(client, KEY, b"", "/studies/TEST02/sync").headers["Content-Location"]
    assert len({first, theirs, elsewhere}) == 3


def test_w07_what_did_not_start_is_not_saved(client: FlaskClient, push: FakePush) -> None:
    running = send(client, None).headers["Content-Location"]
    assert send(client, KEY).status_code == 409
    assert send(client, '"bad"', b'{"server": "nowhere"}').status_code == 400
    push.go.set()
    ended(client, running)
    ended(client, send(client, KEY).headers["Content-Location"])
    assert send(client, '"bad"').status_code == 202


def test_w07_an_answer_is_kept_for_a_day(client: FlaskClient, push: FakePush, clock: Clock) -> None:
    push.go.set()
    first = send(client, KEY)
    ended(client, first.headers["Content-Location"])
    clock.now += KEPT
    ended(client, send(client, '"another"').headers["Content-Location"])
    assert send(client, KEY).get_data() == first.get_data()
    clock.now += 1
    ended(client, send(client, '"a third"').headers["Content-Location"])
    assert send(client, KEY).get_data() != first.get_data()


def test_w07_no_more_are_kept_than_there_is_room_for(
    answers: Answers, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "REMEMBERED", 3)

    def ask(key: str, text: str) -> str:
        return answers.once(b"scope", key, b"", answer(text)).get_data(as_text=True)

    for key in "abc":
        ask(key, key)
    with pytest.raises(BusyError):
        ask("d", "d")
    assert [ask(key, "again") for key in "abc"] == ["a", "b", "c"]
    clock.now += KEPT + 1
    assert ask("d", "d") == "d"
    assert len(answers._saved) == 1


def test_w07_neither_key_nor_token_is_kept(
    answers: Answers, client: FlaskClient, push: FakePush
) -> None:
    push.go.set()
    send(client, '"CANARY-KEY"')
    kept = repr(answers._saved)
    assert "CANARY-KEY" not in kept
    assert TOKEN not in kept
    assert BODY.decode() not in kept


def answer(text: str) -> Callable[[], Response]:
    return lambda: Response(text)
