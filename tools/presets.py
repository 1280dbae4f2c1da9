"""Make docs/presets.md from the presets' files.

`python tools/presets.py` writes it; `--check` says whether it differs from what
would be written, and ends with status 1 if it does.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from gnomon.presets import Preset, list_presets
from gnomon.presets.reading import parts

TARGET = Path(__file__).parents[1] / "docs" / "presets.md"

HEAD = """\
<!-- Made from sdk/gnomon/presets/catalog by tools/presets.py. Do not edit. -->

# Presets

Metrics that are defined already: what is measured, classes with their rubrics, the judge prompt, and
labelled examples. A preset is a definition, not a trained model: install it, then train its evaluator on
labelled rows of your own application.

```console
$ gnomon metrics presets list
$ gnomon metrics presets show refusal            # whole; with --json to start a metric of your own from
$ gnomon metrics presets install refusal tone    # or --all; twice is once
$ gnomon metrics presets install brand-tone --as acme --set voice="Plain and dry. No exclamation marks."
```

```python
from gnomon import presets

[preset.id for preset in presets.list_presets()]
installed = client.metrics.install_preset("brand-tone", "acme", values={"voice": "Plain and dry."})
installed.outcome, installed.metric.preset  # created, brand-tone@1
```

- **Flagged** classes, in bold below, are what you would want to hear of: presets flag what is wrong, not
  what is well. So those that ask for something good, such as completeness, have named classes, and only those
  that look for something bad are true or false.
- **Judge prompts** hold the criterion alone. Whoever asks a judge adds the text, the classes with their
  rubrics, and the form of the answer.
- **Editions.** A metric says which edition it was installed from (`tone@1`). A released edition does not
  change its meaning: a better one gets the next number, and what is installed stays as it is until you
  install the new one under another name.
- **Metrics of a tool or retriever span** score plain texts, and spans of that kind
  (`gnomon.Span(…, kind=SpanKind.TOOL)`); a span of another kind is refused.
"""


def page(presets: list[Preset]) -> str:
    return "\n".join([HEAD, *_overview(presets), *(line for preset in presets for line in _section(preset))])


def _overview(presets: list[Preset]) -> Iterator[str]:
    yield "| preset | step | reads | classes (**flagged**) |"
    yield "|---|---|---|---|"
    for preset in presets:
        classes = ", ".join(f"**{c.label}**" if c.flagged else c.label for c in preset.classes)
        reads = preset.input_shape.value.replace("_", ", ").replace("whole, ", "whole ")
        step = preset.step.value.replace("_", " ")
        yield f"| [`{preset.id}`](#{preset.id}) | {step} | {reads} | {classes} |"
    yield ""


def _section(preset: Preset) -> Iterator[str]:
    yield from (f"## {preset.id}", "", f"**{preset.display_name}**, `{preset.edition}`", "")
    yield from (preset.description, "")
    for parameter in preset.parameters:
        yield from (f"Parameter `{parameter.name}`: {parameter.description}.", "")
    yield from ("| class | rubric |", "|---|---|")
    for c in preset.classes:
        yield f"| {f'**{c.label}**' if c.flagged else c.label} | {_cell(c.rubric)} |"
    yield from ("", "<details><summary>Judge prompt</summary>", "", preset.judge_prompt, "", "</details>", "")
    yield from ("<details><summary>Examples</summary>", "")
    for example in preset.examples:
        yield from (f"**{example.label}**: {example.reason}", "", "```text")
        yield from (f"{heading}: {_indented(text)}" for heading, text in parts(preset, example))
        yield from ("```", "")
    yield from ("</details>", "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def main(check: bool) -> int:
    wanted = page(list_presets())
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == wanted:
        return 0
    if check:
        print(f"{TARGET} is not what tools/presets.py makes of the presets' files.")
        return 1
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main("--check" in sys.argv[1:]))
