"""What an endpoint gives instead of an answer: read at once, shown short, and charged as it was."""

import json
import time
from pathlib import Path

import pytest

from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer.adapters.chat_completions import Complaint, UnusableError, complaint, completion
from gnomon_trainer.domain import careful_chat
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import trainer_at
from tests.trainer.test_judging import judge, prompted


async def test_what_was_never_sent_costs_nothing(
    tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = "127.0.0.2:1"
    monkeypatch.setattr(careful_chat, "_FIRST_WAIT_S", 0.01)
    registry.metrics["metrics/toxicity"] = prompted()
    async with trainer_at(tmp_path, registry, allowed_hosts=nobody) as trainer:
        provider = resources.Provider(base_url=f"http://{nobody}/v1", model="tiny-1")
        await trainer.stub.CreateProvider(pb.CreateProviderRequest(provider_id="main", provider=provider))
        response = await judge(trainer, *["One."] * 10)

    assert {from_status(result.error).reason for result in response.results} == {"PROVIDER_UNAVAILABLE"}
    assert "Nothing answers at" in response.results[0].error.message
    assert (response.input_tokens, response.output_tokens) == (0, 0)


def test_words_of_any_length_are_shown_short_without_the_key_and_at_once() -> None:
    key = "".join(chr(33 + (n * 7 + n // 90) % 94) for n in range(4_096))
    started = time.process_time()
    for words, shown in (
        ("z" * 4_000_000, None),
        ("z" * 60_000, "z" * 300),
        ("No. " + key[100:108] + " is wrong.", ""),
        ("No. " + "z" * 300 + key, "No. " + "z" * 296),  # what is not shown tells nothing
        ("No." + " " * 1_000 + key, ""),
        ("No." + " " * 2_000 + key, "No."),
    ):
        found = complaint(json.dumps({"error": {"message": words}}).encode(), key)
        assert found == (None if shown is None else Complaint(words=shown))
    assert time.process_time() - started < 5


def test_many_choices_are_not_read() -> None:
    body = b'{"choices": [' + b'{"message": {}}, ' * 1_000 + b'{"message": {"content": "x"}}]}'
    with pytest.raises(UnusableError, match="no chat completion"):
        completion(body, "m", "")
