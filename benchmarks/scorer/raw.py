"""A child process: one runtime in one format, without any server.

python -m benchmarks.scorer.raw BUNDLE FORMAT TEXTS LANES THREADS
"""

import json
import math
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.scorer.children import serve
from benchmarks.scorer.runtimes import batches, opened, padded
from benchmarks.scorer.texts import spread

from gnomon.bundle import EVALUATOR_FILE, TOKENIZER_FILE, parse_evaluator
from gnomon.instances import text_span
from gnomon.rendering import Rendered, render
from gnomon.tokenizing import JsonTokenizer
from gnomon.tokens import Tokens

_SCREENED = 128  # texts that tell hopeless ways from others
_HOPELESS = 0.75  # of the best rate of the screening
_TUNING_S = 45.0
_WAYS = [(budget, step) for budget in (0, 512, 1024, 2048) for step in (1, 16)]


class Raw:
    def __init__(self, folder: Path, format_name: str, texts: list[str], lanes: int, threads: int) -> None:
        self.evaluator = parse_evaluator((folder / EVALUATOR_FILE).read_bytes())
        self.tokenizer = JsonTokenizer.read((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))
        format_ = next(entry for entry in self.evaluator.formats if entry.format == format_name)
        self.call = opened(folder, format_, lanes, threads)
        self.pool = ThreadPoolExecutor(lanes)
        self.instances = [text_span(input=text) for text in texts]
        self.tokens = self.tokenizer.encode([Rendered(text) for text in texts], self.evaluator.max_tokens)
        self.way = (1024, 8)

    def lengths(self, _: dict[str, Any]) -> list[int]:
        return [len(read) for read in self.tokens]

    def tune(self, command: dict[str, Any]) -> dict[str, Any]:
        """Choose the fastest way on `count` of the texts; each is tried twice: shapes are slow at first.

        A way that is hopeless on fewer texts is not tried on all; the most hopeful are tried first,
        for as long as there is time.
        """
        screened = self._tried(_WAYS, min(_SCREENED, command["count"]))
        hopeful = sorted(screened, key=screened.__getitem__, reverse=True)
        hopeful = [way for way in hopeful if screened[way] >= _HOPELESS * screened[hopeful[0]]]
        rates = self._tried(hopeful, command["count"], time.perf_counter() + _TUNING_S)
        self.way = max(rates, key=rates.__getitem__)
        return {
            "rate": rates[self.way],
            "batch_tokens": self.way[0],
            "length_step": self.way[1],
            "texts": command["count"],
            "trials": [
                {"batch_tokens": way[0], "length_step": way[1], "screened": r, "rate": rates.get(way)}
                for way, r in screened.items()
            ],
        }

    def _tried(
        self, ways: Sequence[tuple[int, int]], count: int, until: float = math.inf
    ) -> dict[tuple[int, int], float]:
        """Return the better of two rates of each way on `count` texts; at least the first way's."""
        part = spread([len(read) for read in self.tokens], count)
        tokens = [self.tokens[index] for index in part]
        rates: dict[tuple[int, int], float] = {}
        for way in ways:
            if rates and time.perf_counter() > until:
                break
            rates[way] = max(self._rate(tokens, way, seed) for seed in (1, 2))
        return rates

    def throughput(self, command: dict[str, Any]) -> dict[str, float]:
        """Run all texts once; `seed` orders the batches. Tokens are there before, as are all shapes."""
        cpu = time.process_time()
        rate = self._rate(self.tokens, self.way, command["seed"])
        return {"rate": rate, "cpu_s": time.process_time() - cpu}

    def _rate(self, tokens: list[Tokens], way: tuple[int, int], seed: int) -> float:
        budget, step = way
        groups = batches([len(read) for read in tokens], budget)
        random.Random(seed).shuffle(groups)
        # The dearest go first: else one of them runs alone at the end, the longer the larger batches are.
        groups.sort(key=lambda group: -len(group) * max(len(tokens[i]) for i in group))
        began = time.perf_counter()
        for _ in self.pool.map(lambda group: self.call(padded([tokens[i] for i in group], step)), groups):
            pass
        return len(tokens) / (time.perf_counter() - began)

    def singles(self, command: dict[str, Any]) -> list[float]:
        """Return the ms of one text at a time at a fixed rate: render, tokenize, infer."""
        took = []
        began = time.perf_counter()
        for number, index in enumerate(command["indices"]):
            time.sleep(max(0.0, began + number / command["rate"] - time.perf_counter()))
            start = time.perf_counter()
            read = render(self.instances[index], self.evaluator.template, self.evaluator.step)
            tokens = self.tokenizer.encode([read], self.evaluator.max_tokens)
            self.call(padded(tokens, 1))
            took.append((time.perf_counter() - start) * 1e3)
        return took

    def logits(self, command: dict[str, Any]) -> list[list[float]]:
        """Return the logits of texts, each alone; a text is a list of one, or of two: a pair."""
        rendered = [Rendered(*text) for text in command["texts"]]
        tokens = self.tokenizer.encode(rendered, command["max_tokens"])
        return [[float(x) for x in self.call(padded([read], 1))[0]] for read in tokens]


def main() -> None:
    folder, format_name, texts, lanes, threads = sys.argv[1:]
    raw = Raw(Path(folder), format_name, json.loads(Path(texts).read_text()), int(lanes), int(threads))
    serve(
        {
            "lengths": raw.lengths,
            "tune": raw.tune,
            "throughput": raw.throughput,
            "singles": raw.singles,
            "logits": raw.logits,
        }
    )


if __name__ == "__main__":
    main()
