"""What a scorer does with a caller who has read too much, over the real wire."""

import pytest

from gnomon.errors import QuotaExceededError
from tests.scorer.fakes import until
from tests.scorer.serving import scoring
from tests.scorer.test_stream import Stream


class Purse:
    """A `Meter` that is shut until it is told."""

    def __init__(self):
        self.is_open = False
        self.refusals = 0
        self.tokens = 0

    def check_tokens(self):
        if not self.is_open:
            self.refusals += 1
            # A minute, if nobody gives the caller more.
            raise QuotaExceededError("Too much was read.", retry_after_s=60.0, quota="tokens_per_minute")

    def debit_tokens(self, tokens):
        self.tokens += tokens


async def test_a_stream_waits_where_a_call_is_refused(registry, tmp_path):
    purse = Purse()
    async with scoring(registry, tmp_path / "cache") as caller:
        await caller.until_healthy()
        caller.app.streams._scoring._meter = purse
        with pytest.raises(QuotaExceededError):
            await caller.score("toxicity/1", "good")
        stream = Stream(caller)
        await stream.send("good", "bad", versions=["toxicity/1"])
        await stream.call.done_writing()
        before = purse.refusals
        await until(lambda: purse.refusals >= before + 3)  # it asks again and again, and reads nothing
        read_meanwhile = purse.tokens
        purse.is_open = True
        results = []
        while (response := await stream.read()) is not None:
            results += response.results

    assert read_meanwhile == 0
    assert len(results) == 2
    assert purse.tokens > 0
