"""A `tokenizer.json`: what the library would do with it, read before the library is.

The library keeps the format to itself; what is checked here is what can cost
time or memory when text is tokenized, or fail on some texts only.
"""

from collections.abc import Iterator
from typing import Any

from gnomon.bundle_checks import charsmap, patterns
from gnomon.bundle_checks.policy import Policy
from gnomon.bundle_checks.refusing import quoted, refuse

_MODELS = ("BPE", "WordPiece", "WordLevel", "Unigram")
_MOST_ADDED = 10_000
_MOST_PARTS = 32  # steps of a normalizer or a pre-tokenizer
_MOST_AROUND = 8_192  # tokens that are laid around a text, such as the prompt of a decoder
_LONGEST_TOKEN = 1_024
_LONGEST_WORD = 1_000
_MOST_IDS = 1 << 24
_LONGEST = 1 << 20  # tokens, of truncation and padding
_MOST_GROWTH = 64  # times that normalizers may lengthen a text by their replacements


def check_tokenizer(path: str, content: Any, policy: Policy) -> None:
    """Check a tokenizer that was read as JSON.

    Raises:
        BundleInvalidError: it breaks a rule, which the error names.
    """
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        refuse(path, "tokenizer-form", "is not a tokenizer of the library `tokenizers`: it has no model")
    _check_model(path, content["model"], policy)
    _check_added(path, content.get("added_tokens"))
    for name in ("truncation", "padding"):
        _check_lengths(path, name, content.get(name))
    for name in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        _check_parts(path, name, content.get(name), policy)


def _check_model(path: str, model: dict[str, Any], policy: Policy) -> None:
    kind, vocabulary = model.get("type"), model.get("vocab")
    if kind is not None and kind not in _MODELS:
        refuse(path, "tokenizer-model", f"has the model {quoted(kind)}; known are {', '.join(_MODELS)}")
    if not isinstance(vocabulary, dict | list):
        refuse(path, "tokenizer-form", "has a model without a vocabulary")
    if len(vocabulary) > policy.max_tokens:
        refuse(
            path,
            "tokenizer-vocabulary",
            f"has {len(vocabulary)} tokens; at most {policy.max_tokens} are allowed",
        )
    if isinstance(vocabulary, dict):
        for token, number in vocabulary.items():
            if type(number) is not int or not 0 <= number < _MOST_IDS or len(token) > _LONGEST_TOKEN:
                refuse(
                    path,
                    "tokenizer-vocabulary",
                    f"has the token {quoted(token)} with the ID {quoted(number)}",
                )
    else:
        for entry in vocabulary:
            if not isinstance(entry, list) or len(entry) != 2 or not _is_token(entry[0]):
                refuse(
                    path, "tokenizer-vocabulary", f"has {quoted(entry)} where a token and its score must be"
                )
    _check_unknown(path, model, vocabulary)
    if model.get("dropout"):
        refuse(path, "tokenizer-random", "drops merges at random, so that a text has several scores")
    longest = model.get("max_input_chars_per_word", 100)
    if type(longest) is not int or not 0 < longest <= _LONGEST_WORD:
        refuse(
            path,
            "tokenizer-time",
            f"reads words of {quoted(longest)} characters; at most {_LONGEST_WORD} are allowed",
        )


def _check_unknown(path: str, model: dict[str, Any], vocabulary: dict[str, int] | list[Any]) -> None:
    """Check that there is a token for what the vocabulary lacks: without, the library fails on such text.

    Pieces that are merged may go without one: what they do not know is left out, or written in bytes.
    """
    if isinstance(vocabulary, dict):
        unknown = model.get("unk_token")
        is_there = unknown is None or (isinstance(unknown, str) and unknown in vocabulary)
    else:
        unknown = model.get("unk_id")
        is_there = type(unknown) is int and 0 <= unknown < len(vocabulary)
    if not is_there:
        refuse(path, "tokenizer-unknown", f"lacks the token for what it does not know: {quoted(unknown)}")


def _is_token(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TOKEN


def _check_added(path: str, added: Any) -> None:
    if added is None:
        return
    if not isinstance(added, list) or len(added) > _MOST_ADDED:
        refuse(path, "tokenizer-added", f"must add a list of at most {_MOST_ADDED} tokens")
    for entry in added:
        number = entry.get("id") if isinstance(entry, dict) else None
        if type(number) is not int or not 0 <= number < _MOST_IDS or not _is_token(entry.get("content")):
            refuse(path, "tokenizer-added", f"adds {quoted(entry)}, which is no token")
        if not entry["content"]:
            refuse(path, "tokenizer-added", "adds a token without a character")


def _check_lengths(path: str, name: str, setting: Any) -> None:
    if setting is None:
        return
    values = (
        [setting.get(key, 0) for key in ("max_length", "stride", "pad_to_multiple_of")]
        if isinstance(setting, dict)
        else [None]
    )
    strategy = setting.get("strategy") if isinstance(setting, dict) else None
    if isinstance(strategy, dict):
        values += strategy.values()
    for value in values:
        if value is not None and (type(value) is not int or not 0 <= value <= _LONGEST):
            refuse(
                path,
                "tokenizer-length",
                f"has {name} of {quoted(value)} tokens; at most {_LONGEST} are allowed",
            )
    if not isinstance(setting, dict):
        refuse(path, "tokenizer-form", f"has {name} that is no object")


def _check_parts(path: str, name: str, part: Any, policy: Policy) -> None:
    growth, count, tables = 1, 0, 0
    for found in _objects(part):
        count += "type" in found
        if count > _MOST_PARTS:
            refuse(path, "tokenizer-parts", f"has a {name} of more than {_MOST_PARTS} steps")
        if (pattern := found.get("Regex")) is not None:
            _check_pattern(path, name, pattern, policy)
        if name == "normalizer":
            added = max(len(str(found.get(key, ""))) for key in ("content", "prepend"))
            growth *= max(1, added)
            if "precompiled_charsmap" in found:
                tables += 1
                growth *= max(1, _replaced(path, found["precompiled_charsmap"], tables))
            if growth > _MOST_GROWTH:
                refuse(
                    path,
                    "tokenizer-growth",
                    f"has replacements that make a text {growth} times as long or more",
                )
        if name == "post_processor":
            sizes = [len(value) for value in found.values() if isinstance(value, list)]
            if max(sizes, default=0) > _MOST_AROUND:
                refuse(path, "tokenizer-parts", f"lays more than {_MOST_AROUND} tokens around a text")


def _replaced(path: str, table: Any, tables: int) -> int:
    """Return how many characters a table of SentencePiece's makes of one, at most."""
    if tables > 1:
        refuse(path, "tokenizer-parts", "has more than one table of replacements")
    try:
        return charsmap.longest_replacement(table)
    except ValueError as error:
        refuse(path, "tokenizer-table", f"has a table of replacements that is not sound: {error}")


def _check_pattern(path: str, name: str, pattern: Any, policy: Policy) -> None:
    if not isinstance(pattern, str):
        found: str | None = "is no text"
    elif pattern in policy.patterns:
        return
    else:
        found = patterns.problem(pattern)
    if found is not None:
        refuse(path, "tokenizer-pattern", f"has a {name} whose pattern {quoted(pattern)} {found}")


def _objects(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a part, outermost first; how deep they nest was checked."""
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
