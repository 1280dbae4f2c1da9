"""A preset's example as a person reads it. Pure."""

from collections.abc import Iterator

from gnomon.instances import Span
from gnomon.presets.preset import Preset, PresetExample
from gnomon.rendering import render
from gnomon.transcripts import transcript


def parts(preset: Preset, example: PresetExample) -> Iterator[tuple[str, str]]:
    """Yield what an example consists of, each with its heading: values, documents, tools, input, output."""
    yield from example.values.items()
    instance = preset.instance(example)
    if not isinstance(instance, Span):
        text, _ = transcript(instance)
        yield preset.step.value, text
        return
    yield from (("document", document.content) for document in instance.documents)
    for tool in instance.tools:
        yield "tool", " ".join(filter(None, (tool.tool, tool.description, tool.parameters)))
    if instance.input:
        yield "input", render(instance, "input/1", preset.step).text
    if instance.output:
        yield "output", render(instance, "output/1", preset.step).text
