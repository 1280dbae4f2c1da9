"""The section of benchmarks/RESULTS.md, made of the results file alone."""

from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "RESULTS.md"
_BEGIN, _END = "<!-- traffic: made by benchmarks/traffic, do not edit -->", "<!-- /traffic -->"


def write(content: dict[str, Any], file: Path = FILE) -> None:
    """Put the section in the place of the one that is there, or at the end."""
    text = file.read_text(encoding="utf-8")
    before, found, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2] if found else "\n"
    if not found:
        before = text.rstrip("\n") + "\n\n"
    file.write_text(f"{before}{_BEGIN}\n{rendered(content)}{_END}{after}", encoding="utf-8")


def rendered(content: dict[str, Any]) -> str:
    origin = content["origin"]
    quick = " **A quick try, not a measurement.**" if origin["quick"] else ""
    lines = [
        "## Exported traces to rows",
        "",
        f"Date `{origin['date']}`, commit `{origin['commit']}`, `{origin['machine']}`, other work beside it; "
        f"`python -m benchmarks.traffic`.{quick}",
        "",
        "OTLP JSON as a collector writes it, 64 spans a line, traces of five spans. One span in a thousand",
        "and one line in five hundred are broken, and must be counted. The product redacts, and writes rows",
        "with all attributes. `naive` reads everything with `json.loads` into memory (8 GiB at most) and",
        "writes the messages alone, without redaction or filters. Memory is the largest resident size, at",
        "most, of all processes together. Processor seconds hold the start of the interpreters.",
        "",
        "| file | reader | spans/s | spans a processor second | peak memory | malformed, of those planted |",
        "|---|---|---|---|---|---|",
        *(
            _line(file, reader, found)
            for file in content["files"]
            for reader, found in file["readers"].items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _line(file: dict[str, Any], reader: str, found: dict[str, Any]) -> str:
    start = f"| {file['spans']:,} spans, {file['size_bytes'] / 1e6:,.0f} MB | {reader} |"
    if "failed" in found:
        return f"{start} {found['failed']} | | | |"
    rate, share = (found["spans"] / found[key] for key in ("seconds", "processor_seconds"))
    memory = f"{found['peak_memory_mib']:,.0f} MiB"
    return f"{start} {rate:,.0f} | {share:,.0f} | {memory} | {found['malformed']} of {file['broken']} |"
