"""What a service logs, in a process of its own: no secret by name or by form, no message of an exception."""

import json
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon_rpc.log_redaction import (
    MARKER,
    MOST_CHARACTERS,
    MOST_VALUES,
    names_secret,
    redacted,
    redacted_text,
)

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# No word of these may be in a line; each is of the form of a kind of key.
SECRETS = {
    "gnomon": "gnm_4f9a0c1d2e3b4a5f6c7d",
    "openai": "sk-proj-Zq4Zq4Zq4Zq4Zq4Zq4",
    "short": "sk-secret-0123456789-abcdefghij",
    "google": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_0123456789abcdefghij0123",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "pem": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END PRIVATE KEY-----",
}


def logged(code: str, level: str = "debug") -> tuple[list[dict[str, Any]], str]:
    """Return the lines of a process that logs, and all that it wrote."""
    head = "import logging, structlog\nfrom gnomon_rpc import logs\n"
    program = (
        f"{head}logs.configure({level!r}, 'test')\nlog = structlog.get_logger('t')\n{textwrap.dedent(code)}"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    said = ended.stdout + ended.stderr
    return [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")], said


@pytest.mark.parametrize("kind", SECRETS)
def test_a_value_of_a_known_form_is_replaced_wherever_it_stands(kind: str) -> None:
    secret = SECRETS[kind]
    event = {
        "event": f"the endpoint said {secret} and went",
        "detail": {"answers": [{"body": f'{{"error": "{secret}"}}'}, (secret, 3)]},
        secret: "as a name",
        "object": type("Held", (), {"__repr__": lambda self: f"<Held {secret}>"})(),
        "raw": secret.encode(),
    }
    line = json.dumps(redacted(None, "", event))

    assert not any(part in line for part in secret.split("\n"))
    assert line.count(MARKER) >= 5
    assert "the endpoint said" in line
    assert "and went" in line


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Authorization", "Proxy-Authorization", "api_key", "apiKey", "X-API-Key", "secret",
        "client_secret", "clientSecret", "password", "db_password", "cookie", "Set-Cookie", "master_key",
        "masterKey", "private_key", "credentials", "token", "access_token", "sealed_key", "passphrase",
    ],
)  # fmt: skip
def test_what_stands_under_the_name_of_a_secret_is_replaced_whole(name: str) -> None:
    for value in ("plain words", ["a list", "of words"], {"of": "more"}, b"bytes"):
        assert redacted(None, "", {"event": "x", "held": {name: value}})["held"] == {name: MARKER}


def test_names_and_numbers_that_are_no_secrets_stay() -> None:
    event = {
        "event": "work left as done: labellings/first, attempt 2",
        "input_tokens": 25, "tokens": 4, "token_count": 7, "monkey": "see", "author": "ann",
        "key_state": "sealed", "address": "127.0.0.1:7410", "took_ms": 1.5,
        "url": "https://api.openai.com/v1/chat?model=x",
        "call_id": "0af7651916cd43dd8448eb211c80319c", "passed": True, "error": None,
        "sk": "risk-averse-and-task-oriented words", "method": "/gnomon.v1.X/Y",
        "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
    }  # fmt: skip

    assert redacted(None, "", event) == event


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("postgresql://gnomon:hunter2-pw@db:5432/x", "db:5432/x"),
        ("GET /?token=hunter2pw&page=2", "page=2"),
        ('{"password": "hunter2pw", "user": "ann"}', "ann"),
        ("headers: [('Authorization', 'Basic hunter2pwhunter2pw')]", "headers"),
        ("Cookie: session=hunter2pw; id=hunter2pw\nHost: here", "Host: here"),
        ("Authorization: Bearer hunter2pw", "Authorization"),
        ("master_key=hunter2pw failed", "failed"),
    ],
)
def test_a_secret_in_running_text_goes_and_the_rest_stays(text: str, stays: str) -> None:
    assert "hunter2" not in redacted_text(text)
    assert stays in redacted_text(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=40)
    | st.sampled_from(sorted(SECRETS.values())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=20,
)


@UNHURRIED
@given(st.dictionaries(st.text(max_size=20), JSON, max_size=6), st.sampled_from(sorted(SECRETS.values())))
def test_no_line_holds_a_secret_however_deep_and_a_second_look_changes_nothing(
    held: dict[str, Any], secret: str
) -> None:
    once = redacted(None, "", {**held, "event": {"a": [f"x {secret} y", held]}})

    line = json.dumps(once, ensure_ascii=False)
    assert not any(one in line for one in SECRETS.values())
    assert redacted(None, "", once) == once


@UNHURRIED
@given(st.text(max_size=300))
def test_text_without_secrets_comes_out_as_it_went_in_or_shorter_by_a_marker(text: str) -> None:
    assert redacted_text(text) == text or MARKER in redacted_text(text)


def test_the_cost_of_a_line_is_bounded() -> None:
    deep: dict[str, Any] = {}
    for _ in range(1_000):
        deep = {"in": deep}
    hostile = "eyJ" * 300_000 + "sk-" * 300_000 + "-----BEGIN PRIVATE KEY-----" * 9_000 + "://a:" * 90_000
    started = time.perf_counter()
    line = redacted(None, "", {"event": hostile, "deep": deep, "many": list(range(1_000_000))})

    assert time.perf_counter() - started < 5
    assert len(line["event"]) < MOST_CHARACTERS + 100
    assert len(line["many"]) <= MOST_VALUES + 1


@UNHURRIED
@given(st.text(alphabet="abcKEYkey_-TOKENtoken", max_size=100))
def test_every_name_can_be_looked_at(name: str) -> None:
    assert names_secret(name) in (True, False)


def test_both_kinds_of_loggers_are_redacted_at_every_level() -> None:
    lines, said = logged(
        f"""
        log.info("calling", headers={{"Authorization": "Bearer x"}}, api_key="open sesame")
        logging.getLogger("httpx").debug("sent %s to %s", {SECRETS["openai"]!r}, "https://a:sesame@host/")
        log.bind(token="sesame").warning("bound")
        import warnings; warnings.warn("sesame={SECRETS["gnomon"]}")
        """
    )
    assert len(lines) == 4
    assert all(secret not in said for secret in SECRETS.values())
    assert "sesame@" not in said
    assert "open sesame" not in said
    assert lines[1]["event"] == f"sent {MARKER} to https://{MARKER}@host/"


def test_of_an_exception_the_type_and_the_frames_are_told_and_nothing_that_it_says() -> None:
    lines, said = logged(
        """
        def fail():
            error = ValueError("sesame in a message"); error.add_note("sesame in a note"); raise error
        try:
            try: fail()
            except ValueError as error:
                raise ExceptionGroup("sesame in a group", [error, KeyError("sesame")]) from error
        except ExceptionGroup:
            log.exception("a call failed"); logging.getLogger("x").error("and again", exc_info=True)
        """
    )
    assert "sesame in" not in json.dumps(lines)
    assert "sesame" not in said
    for line in lines:
        group = line["exception"][0]
        assert group["exc_type"] == "ExceptionGroup"
        assert group["exceptions"][0][0]["exc_type"] == "ValueError"
        assert group["frames"][0].keys() >= {"filename", "lineno", "name"}


FAILS = "def fail(*_):\n    raise ValueError('sesame')\n"
OF_LOOP = """
import asyncio, gc
async def task(): fail()
async def main():
    asyncio.create_task(task())
    asyncio.get_running_loop().call_soon(fail, "sesame as an argument")
    await asyncio.sleep(0.01)
asyncio.run(main())
gc.collect()
"""
ENDS = {
    "process": "fail()",
    "thread": "import threading\nthread = threading.Thread(target=fail)\nthread.start()\nthread.join()",
    "task": OF_LOOP,
    "quoting": "try: fail()\nexcept ValueError as error: logging.exception('it said %s', error)",
}


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_a_process_a_thread_or_a_task_is_told_without_what_it_says(end: str) -> None:
    lines, said = logged(FAILS + ENDS[end])

    kinds = [line["exception"][0]["exc_type"] for line in lines if "exception" in line]
    assert kinds
    assert set(kinds) == {"ValueError"}
    assert "sesame" not in said
