"""From the instances of a request to questions: rendered and tokenized once for each distinct way."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gnomon.bundle import Evaluator, Windows
from gnomon.errors import EvaluatorFailedError, GnomonError, InstanceInvalidError
from gnomon.instances import Instance
from gnomon.rendering import Rendered, render
from gnomon.tokens import Reading
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.ports import Tokenizer
from gnomon_scorer.domain.questions import Question
from gnomon_scorer.domain.response_cache import ResponseCache, key_of

ReadInstance = Callable[[], Instance]  # raises GnomonError where an item of the request is no instance

Way = tuple[str, int, Windows | None]  # tokenizer digest, max tokens, windows: what decides a text's tokens


@dataclass(frozen=True, slots=True)
class Asked:
    """`columns[v][i]`: what is asked of version v about instance i, or why nothing can be.

    With a cache, a text that a request has several times is one question.
    `questions` holds each once.
    """

    columns: dict[LoadedVersion, list[Question | GnomonError]]
    questions: list[Question]


def ask(
    readers: Sequence[ReadInstance], versions: Iterable[LoadedVersion], cache: ResponseCache | None
) -> Asked:
    """Return the questions of a request, those answered already that the cache knows; blocks."""
    items = [_read(reader) for reader in readers]
    rendered: dict[tuple[str, str], list[Rendered | GnomonError]] = {}
    asked = Asked({}, [])
    for version in dict.fromkeys(versions):  # an alias and its number are one version
        evaluator = version.evaluator
        template = (evaluator.template, evaluator.step)
        if template not in rendered:
            rendered[template] = [_render(item, evaluator) for item in items]
        column = _column(version, rendered[template], cache)
        asked.columns[version] = column
        asked.questions.extend(dict.fromkeys(q for q in column if isinstance(q, Question)))
    _tokenize([question for question in asked.questions if question.answer is None])
    return asked


def _read(reader: ReadInstance) -> Instance | GnomonError:
    try:
        return reader()
    except GnomonError as error:
        return error


def _render(item: Instance | GnomonError, evaluator: Evaluator) -> Rendered | GnomonError:
    if isinstance(item, GnomonError):
        return item
    try:
        return render(item, evaluator.template, evaluator.step)
    except GnomonError as error:
        return error


def _column(
    version: LoadedVersion, texts: Sequence[Rendered | GnomonError], cache: ResponseCache | None
) -> list[Question | GnomonError]:
    if cache is None:
        return [Question(version, text) if isinstance(text, Rendered) else text for text in texts]
    known: dict[Rendered, Question] = {}
    for text in texts:
        if isinstance(text, Rendered) and text not in known:
            key = key_of(version, text)
            answer = cache.get(key)
            known[text] = Question(version, text, key, answer=answer, is_cached=answer is not None)
    return [known[text] if isinstance(text, Rendered) else text for text in texts]


def _tokenize(questions: Sequence[Question]) -> None:
    """Give each question its reading, or the error that its text cannot be read."""
    ways: dict[Way, list[Question]] = {}
    for question in questions:
        evaluator = question.version.evaluator
        way = (question.version.tokenizer_sha256, evaluator.max_tokens, evaluator.windows)
        ways.setdefault(way, []).append(question)
    for (_, max_tokens, windows), some in ways.items():
        texts = list(dict.fromkeys(question.text for question in some))
        readings = _readings(some[0].version.tokenizer, texts, max_tokens, windows)
        by_text = dict(zip(texts, readings, strict=True))
        for question in some:
            _take(question, by_text[question.text])


def _readings(
    tokenizer: Tokenizer, texts: Sequence[Rendered], max_tokens: int, windows: Windows | None
) -> list[Reading | None]:
    """Return how each text is read; None for one that the tokenizer fails on, which fails no other."""
    try:
        return [*tokenizer.encode_windows(texts, max_tokens, windows)]
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of a library in Rust is no Exception
        if len(texts) == 1:
            return [None]
    return [_readings(tokenizer, [text], max_tokens, windows)[0] for text in texts]


def _take(question: Question, reading: Reading | None) -> None:
    if reading is None:
        name = question.version.name
        question.answer = EvaluatorFailedError(
            f"The tokenizer of {name} fails on this instance. Report the instance to the metric's owner.",
            metric_version=str(name),
        )
    elif reading.token_count:
        question.reading = reading
    else:
        question.answer = InstanceInvalidError("The instance holds nothing that the evaluator can read.")
