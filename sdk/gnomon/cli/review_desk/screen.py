"""The full-screen terminal of a review, with Textual."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.events import Event, Key
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from gnomon.cli.review_desk import choosing, showing
from gnomon.cli.review_desk.desk import Desk

_LEAVING = {"q", "ctrl+c"}
_HELP = "u undo · s skip · n not sure · / search a class · ? rubric · q leave"


class Rubric(ModalScreen[None]):
    """When a row belongs to each class; any key closes it."""

    CSS = """
    Rubric { align: center middle; }
    #rubric { width: 80%; height: 80%; border: round $primary; padding: 1 2; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="rubric"):
            yield Static(showing.rubric(self._desk.review.classes, self._desk.rubrics))

    def on_key(self, event: Key) -> None:
        if event.key not in {"up", "down", "pageup", "pagedown"}:
            event.stop()
            self.dismiss()


class ReviewScreen(App[None]):
    """Shows one row at a time; a key is a decision."""

    CSS = """
    #status { height: 1; background: $panel; }
    #row { height: 1fr; padding: 1 2; }
    #classes { height: auto; max-height: 40%; padding: 0 2; border-top: solid $panel; }
    #note { height: auto; padding: 0 2; color: $warning; display: none; }
    #search { display: none; }
    #help { height: 1; color: $text-muted; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        ("u", "undo", "Undo"),
        ("s", "skip", "Skip"),
        ("n", "unsure", "Not sure"),
        ("k", "keep", "Keep the label"),
        ("slash", "search", "Search"),
        ("question_mark", "rubric", "Rubric"),
        ("q", "quit", "Leave"),
        ("ctrl+c", "quit", "Leave"),
        ("escape", "forget", "Back"),
        *((digit, f"digit('{digit}')", "Label") for digit in "0123456789"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._pending = ""
        self._shown_at = 0.0  # by the clock of events

    def compose(self) -> ComposeResult:
        yield Static(id="status")
        with VerticalScroll(id="row"):
            yield Static(id="content")
        with VerticalScroll(id="classes", can_focus=False):
            yield Static(id="choices")
        yield Static(id="note")
        yield Input(placeholder="a class; Enter takes the first one, Escape goes back", id="search")
        keep = "" if self._desk.review.blind else "k keep the label · "
        yield Static(Text(keep + _HELP), id="help")

    def on_key(self, event: Key) -> None:
        """Drop a key that was pressed before the row could be seen that it would decide on."""
        if event.time < self._shown_at and event.key not in _LEAVING:
            event.prevent_default()

    async def on_mount(self) -> None:
        self.query_one("#row").focus()
        self._show_classes("")
        await self._do(self._desk.load)

    async def action_digit(self, digit: str) -> None:
        self._pending, label = choosing.typed(self._pending, digit, self._desk.review.classes)
        if label is not None:
            await self._do(lambda: self._desk.label(label))
        self._show_status()

    async def action_undo(self) -> None:
        await self._do(self._desk.undo)

    async def action_skip(self) -> None:
        await self._do(self._desk.skip)

    async def action_unsure(self) -> None:
        await self._do(self._desk.unsure)

    async def action_keep(self) -> None:
        await self._do(self._desk.keep)

    def action_rubric(self) -> None:
        self.push_screen(Rubric(self._desk))

    def action_search(self) -> None:
        search = self.query_one("#search", Input)
        search.display = True
        search.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show_classes(event.value)

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        found = choosing.matching(event.value, self._desk.review.classes)
        chosen = found[0] if event.value.strip() and found else None
        self.action_forget()
        if chosen is not None:
            await self._do(lambda: self._desk.label(chosen))

    def action_forget(self) -> None:
        """End a search, and forget half a number."""
        self._pending = ""
        search = self.query_one("#search", Input)
        search.value = ""
        search.display = False
        self._show_classes("")
        self.query_one("#row").focus()
        self._show_status()

    async def _do(self, work: Callable[[], None]) -> None:
        """Wait for the trainer before another key counts: what is seen is what is kept."""
        self._pending = ""
        await asyncio.to_thread(work)
        self._show_row()
        self._show_status()
        self._shown_at = Event().time

    def _show_classes(self, sought: str) -> None:
        classes = self._desk.review.classes
        found = choosing.matching(sought, classes)
        self.query_one("#choices", Static).update(showing.classes(classes, found))

    def _show_row(self) -> None:
        desk = self._desk
        content = Text(_no_row(desk)) if desk.item is None else showing.row(desk.item)
        self.query_one("#content", Static).update(content)
        self.query_one("#row", VerticalScroll).scroll_home(animate=False)

    def _show_status(self) -> None:
        desk = self._desk
        row = f"row {desk.item.row} · " if desk.item is not None else ""
        blind = " · blind" if desk.review.blind else ""
        pending = f" · {self._pending}_" if self._pending else ""
        line = f" {row}{desk.done} done · {desk.left} left · {desk.reviewer}{blind}{pending}"
        self.query_one("#status", Static).update(Text(line, no_wrap=True, overflow="ellipsis"))
        note = self.query_one("#note", Static)
        note.update(Text(showing.plain(desk.note)))
        note.display = bool(desk.note)


def _no_row(desk: Desk) -> str:
    if not desk.is_fetched:
        return "The next row could not be fetched. Press s to try again."
    if desk.left:
        return "Others have the rows that are left before them now. Press s to look again."
    return (
        "Nothing is left for you. To make the next version of the dataset:\n\n"
        f"  gnomon review apply {desk.review.name}"
    )
