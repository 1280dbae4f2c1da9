"""What any evaluator can be tried with: a known text, cut or repeated to any length. Pure."""

import itertools

from gnomon.rendering import Rendered
from gnomon.tokens import Tokens
from gnomon_scorer.domain.ports import Tokenizer

BLOCK = 10  # rows; the first blocks of a mix are as mixed as the whole

_PROOF = Rendered("The weather is fine today, and the answer to your question is 42.")
_GOLDEN = 0.6180339887  # multiples of it are spread evenly over [0, 1), however many


def known_text(tokenizer: Tokenizer, max_tokens: int) -> Tokens:
    """Return the tokens of a text that every evaluator has a score for."""
    return tokenizer.encode([_PROOF], max_tokens)[0]


def stretched(tokens: Tokens, length: int) -> Tokens:
    """Return tokens of exactly this length, by cutting or repeating."""
    ids = tuple(itertools.islice(itertools.cycle(tokens.ids), length))
    return Tokens(ids, tuple(itertools.islice(itertools.cycle(tokens.type_ids), length)))


def mixed(known: Tokens, max_tokens: int, blocks: int) -> list[Tokens]:
    """Return rows of a fixed mix of lengths, in blocks of ten.

    Of ten, seven have 8 to 32 tokens, two 64 to 256, and one more than half
    of what the evaluator reads.
    """
    rows = []
    for number in range(blocks * BLOCK):
        share = number * _GOLDEN % 1.0
        if number % BLOCK < 7:
            length = 8 + 24 * share
        elif number % BLOCK < 9:
            length = 64 + 192 * share
        else:
            length = max_tokens * (0.5 + share / 2)
        rows.append(stretched(known, max(1, min(int(length), max_tokens))))
    return rows
