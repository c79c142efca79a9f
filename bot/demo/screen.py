"""The conversation in a terminal: final messages are printed once, changing ones are redrawn."""

import asyncio
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from bot.sandbox.telegram import Chat, ChatEvent, EventKind, TelegramStandIn, VisibleMessage


class Screen:
    """Shows one chat. On a terminal the status message is redrawn; elsewhere each change is a
    line.
    """

    def __init__(self, telegram: TelegramStandIn, chat: Chat, console: Console) -> None:
        self._telegram = telegram
        self._chat = chat
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._seen = 0
        self._follower: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        self._follower = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        # After Ctrl-C there is no frame to finish; on a terminal a live frame is erased.
        self._show_new()
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a remark of the demo itself."""
        self._show_new()
        self._console.print(Text(text, style="italic cyan"))

    async def _follow(self) -> None:
        while True:
            await self._telegram.wait_for(
                lambda: len(self._chat.history) > self._seen, timeout=3600
            )
            self._show_new()

    def _show_new(self) -> None:
        history = list(self._chat.history)
        for event in history[self._seen :]:
            self._show(event)
        self._seen = len(history)

    def _show(self, event: ChatEvent) -> None:
        message = event.message
        if not event.by_bot:
            self._console.print(Padding(_bubble(message, "You", "green"), (0, 0, 0, 12)))
        elif message.silent and event.what is not EventKind.DELETED:
            drawing = _bubble(message, "File Relay, status message", "yellow")
            self._draw_status(drawing, is_last=not message.buttons)
        elif event.what is EventKind.DELETED:
            self._draw_status(Text("  (status message removed)", style="dim"))
        else:
            edited = " (edited)" if event.what is EventKind.EDITED else ""
            self._console.print(_bubble(message, f"File Relay{edited}", "blue"))

    def _draw_status(self, drawing: Panel | Text, *, is_last: bool = False) -> None:
        """Draw a status message in place of the one before; its last state, which has no buttons,
        stays.
        """
        if self._console.is_terminal and is_last:
            self._live.update(Text(""), refresh=True)
            self._console.print(drawing)
        elif self._console.is_terminal:
            self._live.update(drawing if isinstance(drawing, Panel) else Text(""), refresh=True)
        else:
            self._console.print(drawing)


def _bubble(message: VisibleMessage, who: str, style: str) -> Panel:
    text = Text(message.text)
    if message.file is not None:
        text = Text(f"[file] {message.file.name or message.file.kind}, {message.file.size} bytes")
    for row in message.buttons:
        text.append("\n" + "  ".join(f"[ {button.text} ]" for button in row), style="bold")
    return Panel(
        text,
        title=f"{who} {message.at:%H:%M:%S}",
        title_align="left",
        border_style=style,
        width=88,
    )
