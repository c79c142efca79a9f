"""A text of HTML that is read character by character.

Source of the rules for references: github tdlib/td, `td/telegram/MessageEntity.cpp`,
`decode_html_entity`.
"""

from typing import Final

from bot.sandbox.telegram.text import SPACE

END: Final = "\0"
NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
DECIMAL: Final = "0123456789"
HEXADECIMAL: Final = "0123456789abcdefABCDEF"


class HtmlSource:
    """The text and a place in it; the end reads as a NUL, as in the real parser."""

    def __init__(self, text: str) -> None:
        self._text = text + END
        self.position = 0

    @property
    def here(self) -> str:
        """Return the character at the place, without taking it."""
        return self._text[self.position]

    @property
    def is_over(self) -> bool:
        """Return whether everything has been taken."""
        return self.position >= len(self._text) - 1

    def take(self) -> str:
        """Take one character."""
        self.position += 1
        return self._text[self.position - 1]

    def take_char(self) -> str:
        """Take one character, or a whole reference and return what it stands for.

        An unknown reference is no error: it stays text.
        """
        if self.here == "&" and (char := self._reference()):
            return char
        return self.take()

    def word(self, stops: str) -> str:
        """Take everything before one of the characters of `stops` (or the end)."""
        start = self.position
        while self.here not in stops and self.here != END:
            self.position += 1
        return self._text[start : self.position]

    def skip_space(self) -> None:
        """Take white space."""
        while self.here != END and self.here in SPACE:
            self.position += 1

    def byte_offset(self, position: int) -> int:
        """Return a place as error texts tell it: in bytes of UTF-8."""
        return len(self._text[:position].encode("utf-8", "surrogatepass"))

    def _run(self, at: int, allowed: str) -> int:
        while self._text[at] in allowed:
            at += 1
        return at

    def _reference(self) -> str:
        at = self.position + 1
        if self._text[at] == "#":
            return self._number(at + 1)
        stop = at
        while self._text[stop].isascii() and self._text[stop].isalpha():
            stop += 1
        char = NAMED.get(self._text[at:stop], "")
        if char:
            self.position = stop + (self._text[stop] == ";")
        return char

    def _number(self, at: int) -> str:
        base, digits = 10, DECIMAL
        if self._text[at] == "x":
            base, digits, at = 16, HEXADECIMAL, at + 1
        stop = self._run(at, digits)
        if stop - self.position >= 10:
            return ""
        code = int(self._text[at:stop] or "0", base)
        if not 0 < code < 0x10FFFF:
            return ""
        self.position = stop + (self._text[stop] == ";")
        return chr(code)
