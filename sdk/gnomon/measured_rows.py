"""What a report was measured on, in words. Pure."""


def sentence(rows: int, judged: int, generated: int) -> str:
    """Return whose labels the test rows have, and how many of the rows a model wrote."""
    written = f", {'all' if generated == rows else generated} of them written by a model" if generated else ""
    return f"{rows} rows{_labelled(rows, judged)}{written}, none of them trained on"


def _labelled(rows: int, judged: int) -> str:
    if not judged:
        return " labelled by people"
    if judged == rows:
        return " labelled by a judge"
    return f", {rows - judged} labelled by people and {judged} by a judge"
