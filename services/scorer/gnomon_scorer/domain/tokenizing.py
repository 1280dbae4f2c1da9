"""Renders and tokenizes the instances of a request, each distinct way once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gnomon.errors import GnomonError, InstanceInvalidError
from gnomon.instances import Instance
from gnomon.rendering import Rendered, render
from gnomon.tokens import Tokens
from gnomon_scorer.domain.loaded import LoadedVersion

ReadInstance = Callable[[], Instance]  # raises GnomonError where an item of the request is no instance

Way = tuple[str, str, str, int]  # tokenizer digest, template, step, max tokens
TokensOrError = Tokens | GnomonError


@dataclass(slots=True)
class _Item:
    instance: Instance | None = None
    error: GnomonError | None = None


def way_of(version: LoadedVersion) -> Way:
    """Return what decides the tokens: versions of the same way share them."""
    evaluator = version.evaluator
    return (version.tokenizer_sha256, evaluator.template, evaluator.step, evaluator.max_tokens)


def tokenize(
    readers: Sequence[ReadInstance], versions: Sequence[LoadedVersion]
) -> dict[Way, list[TokensOrError]]:
    """Return the tokens, or what is wrong, of each instance for each way; blocks."""
    items = [_read(reader) for reader in readers]
    ways = {way_of(version): version for version in versions}
    return {way: _tokenize(items, version) for way, version in ways.items()}


def _read(reader: ReadInstance) -> _Item:
    try:
        return _Item(instance=reader())
    except GnomonError as error:
        return _Item(error=error)


def _tokenize(items: Sequence[_Item], version: LoadedVersion) -> list[TokensOrError]:
    rendered = [_render(item, version) for item in items]
    texts = [text for text in rendered if isinstance(text, Rendered)]
    tokens = iter(version.tokenizer.encode(texts, version.evaluator.max_tokens))
    return [_checked(next(tokens)) if isinstance(text, Rendered) else text for text in rendered]


def _render(item: _Item, version: LoadedVersion) -> Rendered | GnomonError:
    if item.instance is None:
        assert item.error is not None
        return item.error
    try:
        return render(item.instance, version.evaluator.template, version.evaluator.step)
    except GnomonError as error:
        return error


def _checked(tokens: Tokens) -> TokensOrError:
    if not len(tokens):
        return InstanceInvalidError("The instance holds nothing that the evaluator can read.")
    return tokens
