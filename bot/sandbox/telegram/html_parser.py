"""The server's HTML parser, rule for rule and message for message.

Source: github tdlib/td, `td/telegram/MessageEntity.cpp`, `parse_html` and `decode_html_entity`.
"""

from dataclasses import dataclass
from typing import Final

from bot.sandbox.telegram.errors import ApiError, bad_request
from bot.sandbox.telegram.links import checked_link
from bot.sandbox.telegram.text import SPACE, Entity, Formatted, order, utf16_length

END: Final = "\0"
NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
DECIMAL: Final = "0123456789"
HEXADECIMAL: Final = "0123456789abcdefABCDEF"
KINDS: Final = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline",
    "ins": "underline", "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough",
    "code": "code", "pre": "pre", "a": "text_link", "tg-spoiler": "spoiler", "span": "spoiler",
    "blockquote": "blockquote",
}  # fmt: skip
"""Tags and the entities they become. Custom emoji need a paid bot and are left out."""

LONE_SURROGATE: Final = (
    "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched"
    " surrogate code units"
)


class HtmlSource:
    """A text and a position; its end reads as NUL, as in the real parser."""

    def __init__(self, text: str) -> None:
        self._text = text + END
        self.position = 0

    @property
    def here(self) -> str:
        """Return the character at the position without taking it."""
        return self._text[self.position]

    @property
    def is_over(self) -> bool:
        """Return whether the end is reached."""
        return self.position >= len(self._text) - 1

    def take(self) -> str:
        """Take one character."""
        self.position += 1
        return self._text[self.position - 1]

    def take_char(self) -> str:
        """Take one character, or a whole reference and return its character.

        An unknown reference stays text.
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
        """Return a position in bytes of UTF-8, as error texts have it."""
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


@dataclass
class _Open:
    """An open tag: where it began in UTF-16 units and in `out`."""

    tag: str
    argument: str
    offset: int
    begin: int


class _Parser:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self.source = HtmlSource(text)
        self.out: list[str] = []
        self.offset = 0
        self.open: list[_Open] = []
        self.entities: list[Entity] = []

    def run(self) -> Formatted:
        while not self.source.is_over:
            if self.source.here == "<":
                self.tag()
            else:
                char = self.source.take_char()
                self.out.append(char)
                self.offset += utf16_length(char)
        if self.open:
            tag = self.open[-1].tag
            raise _error(f'Can\'t find end tag corresponding to start tag "{tag}"')
        return Formatted(_joined(self.out), order(self.entities))

    def tag(self) -> None:
        at = self.source.byte_offset(self.source.position)
        self.source.take()
        if self.source.here == "/":
            self.end_tag(at)
        else:
            self.start_tag(at)

    def start_tag(self, at: int) -> None:
        name = self.source.word(SPACE + ">").lower()
        if self.source.here == END:
            raise _error(f"Unclosed start tag at byte offset {at}")
        if name not in KINDS:
            raise _error(f'Unsupported start tag "{name}" at byte offset {at}')
        argument = ""
        while self.source.here != ">":
            self.source.skip_space()
            if self.source.here == ">":
                break
            key, value = self.attribute(name, at)
            argument = _argument(name, key, value) or argument
        self.source.take()
        if name == "span" and argument != "spoiler":
            raise _error(f'Tag "span" must have class "tg-spoiler" at byte offset {at}')
        self.open.append(_Open(name, argument, self.offset, len(self.out)))

    def attribute(self, name: str, at: int) -> tuple[str, str]:
        key = self.source.word(SPACE + "=>")
        if not key:
            raise _error(f'Empty attribute name in the tag "{name}" at byte offset {at}')
        self.source.skip_space()
        if self.source.here != "=":
            if (name, key) == ("blockquote", "expandable"):
                return key, "1"
            what = f'of an attribute of the tag "{name}" at byte offset {at}'
            raise _error(f"Expected equal sign in declaration {what}")
        self.source.take()
        self.source.skip_space()
        if self.source.here == END:
            raise _error(f'Unclosed start tag "{name}" at byte offset {at}')
        value = self.literal() if self.source.here in "'\"" else self.token()
        if self.source.here == END:
            raise _error(f"Unclosed start tag at byte offset {at}")
        return key, value

    def token(self) -> str:
        start, value = self.source.position, ""
        while self.source.here.isascii() and (
            self.source.here.isalnum() or self.source.here in ".-"
        ):
            value += self.source.take()
        if self.source.here not in SPACE + ">":
            at = self.source.byte_offset(start)
            raise _error(f"Unexpected end of name token at byte offset {at}")
        return value.lower()

    def literal(self) -> str:
        quote, value = self.source.take(), ""
        while self.source.here not in {quote, END}:
            value += self.source.take_char()
        if self.source.here == quote:
            self.source.take()
        return value

    def end_tag(self, at: int) -> None:
        if not self.open:
            raise _error(f"Unexpected end tag at byte offset {at}")
        self.source.take()
        name = self.source.word(SPACE + ">").lower()
        self.source.skip_space()
        if self.source.here != ">":
            raise _error(f"Unclosed end tag at byte offset {at}")
        self.source.take()
        opened = self.open.pop()
        if name and name != opened.tag:
            wanted = f'expected "</{opened.tag}>", found "</{name}>"'
            raise _error(f"Unmatched end tag at byte offset {at}, {wanted}")
        if self.offset > opened.offset:
            self.close(opened)

    def close(self, opened: _Open) -> None:
        entity: Entity = {
            "type": KINDS[opened.tag],
            "offset": opened.offset,
            "length": self.offset - opened.offset,
        }
        if opened.tag == "a":
            url = checked_link(opened.argument or "".join(self.out[opened.begin :]))
            if url is None:
                return  # the real server drops a bad link silently and keeps its text.
            entity["url"] = url
        elif opened.tag == "blockquote" and opened.argument:
            entity["type"] = "expandable_blockquote"
        elif opened.tag in {"pre", "code"} and self.merged(entity, opened):
            return
        elif opened.tag == "code" and opened.argument:
            entity["language"] = opened.argument
        self.entities.append(entity)

    def merged(self, entity: Entity, opened: _Open) -> bool:
        """Make one `pre` with a language of `<pre><code class="language-…">`, either way round."""
        last = self.entities[-1] if self.entities else {}
        if any(last.get(key) != entity[key] for key in ("offset", "length")):
            return False
        if opened.tag == "pre" and last["type"] == "code" and last.get("language"):
            last["type"] = "pre"
            return True
        if opened.tag == "code" and last["type"] == "pre" and opened.argument:
            last["language"] = opened.argument
            return True
        return False


def _argument(tag: str, key: str, value: str) -> str:
    if (tag, key) in {("a", "href"), ("blockquote", "expandable")}:
        return value
    if (tag, key) == ("code", "class") and value.startswith("language-"):
        return value[9:]
    if (tag, key) == ("span", "class") and value.startswith("tg-"):
        return value[3:]
    return ""


def _joined(chars: list[str]) -> str:
    # Two references can be the halves of one pair; half a pair is the one bad reference.
    text = "".join(chars)
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise _error(LONE_SURROGATE) from None


def _error(text: str) -> ApiError:
    return bad_request(f"can't parse entities: {text}")


def parse_html(source: str) -> Formatted:
    """Turn HTML into text with entities.

    Raises:
        ApiError: a tag is unknown, badly written, not closed or closed out of order. An unknown
            reference (`&nbsp;`) is no error, it stays as it is; only a lone surrogate is.
    """
    formatted = _Parser(source).run()
    for entity in formatted.entities:
        if entity["type"] == "code":
            entity.pop("language", None)
    return formatted
