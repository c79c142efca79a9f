"""The server's HTML parser, rule for rule and message for message.

Source: github tdlib/td, `td/telegram/MessageEntity.cpp`, `parse_html` and `decode_html_entity`.
Offsets in error texts count bytes of UTF-8.
"""

from dataclasses import dataclass
from typing import Final

from bot.sandbox.telegram.errors import ApiError, bad_request
from bot.sandbox.telegram.links import checked_link
from bot.sandbox.telegram.text import SPACE, Entity, Formatted, order, utf16_length

KINDS: Final = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline",
    "ins": "underline", "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough",
    "code": "code", "pre": "pre", "a": "text_link", "tg-spoiler": "spoiler", "span": "spoiler",
    "blockquote": "blockquote",
}  # fmt: skip
"""Tags and the entities they become. Custom emoji need a paid bot and are left out."""

NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}


@dataclass
class _Open:
    tag: str
    argument: str
    offset: int
    begin: int


class _Parser:
    """One pass over one text; `position` counts characters of the source."""

    def __init__(self, source: str) -> None:
        self.source = source + "\0"  # the end is looked at like any other character.
        self.position = 0
        self.out: list[str] = []
        self.offset = 0
        self.open: list[_Open] = []
        self.entities: list[Entity] = []

    def run(self) -> Formatted:
        end = len(self.source) - 1
        while self.position < end:
            char = self.source[self.position]
            if char == "<":
                self.tag()
            elif char == "&":
                self.emit(self.reference() or self.step())
            else:
                self.emit(self.step())
        if self.open:
            raise _error(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        return Formatted(_joined(self.out), order(self.entities))

    def step(self) -> str:
        self.position += 1
        return self.source[self.position - 1]

    def emit(self, char: str) -> None:
        self.out.append(char)
        self.offset += utf16_length(char)

    def bytes_before(self, position: int) -> int:
        return len(self.source[:position].encode("utf-8", "surrogatepass"))

    def reference(self) -> str:
        """Decode what begins with `&`; an unknown name is no error, it stays text."""
        at = self.position + 1
        if self.source[at] == "#":
            return self.number(at + 1)
        stop = at
        while self.source[stop].isascii() and self.source[stop].isalpha():
            stop += 1
        char = NAMED.get(self.source[at:stop], "")
        if char:
            self.position = stop + (self.source[stop] == ";")
        return char

    def number(self, at: int) -> str:
        base, digits = 10, "0123456789"
        if self.source[at] == "x":
            base, digits, at = 16, "0123456789abcdefABCDEF", at + 1
        stop = at
        while self.source[stop] in digits:
            stop += 1
        code = int(self.source[at:stop] or "0", base)
        if not 0 < code < 0x10FFFF or stop - self.position >= 10:
            return ""
        self.position = stop + (self.source[stop] == ";")
        return chr(code)

    def tag(self) -> None:
        begin = self.position
        self.position += 1
        if self.source[self.position] == "/":
            self.end_tag(begin)
        else:
            self.start_tag(begin)

    def word(self, stops: str) -> str:
        start = self.position
        while self.source[self.position] not in stops and self.source[self.position] != "\0":
            self.position += 1
        return self.source[start : self.position]

    def blanks(self) -> None:
        while self.source[self.position] != "\0" and self.source[self.position] in SPACE:
            self.position += 1

    def start_tag(self, begin: int) -> None:
        at = self.bytes_before(begin)
        name = self.word(SPACE + ">").lower()
        if self.source[self.position] == "\0":
            raise _error(f"Unclosed start tag at byte offset {at}")
        if name not in KINDS:
            raise _error(f'Unsupported start tag "{name}" at byte offset {at}')
        argument = ""
        while self.source[self.position] != ">":
            self.blanks()
            if self.source[self.position] == ">":
                break
            key, value = self.attribute(name, at)
            argument = _argument(name, key, value) or argument
        self.position += 1
        if name == "span" and argument != "spoiler":
            raise _error(f'Tag "span" must have class "tg-spoiler" at byte offset {at}')
        self.open.append(_Open(name, argument, self.offset, len(self.out)))

    def attribute(self, name: str, at: int) -> tuple[str, str]:
        key = self.word(SPACE + "=>")
        if not key:
            raise _error(f'Empty attribute name in the tag "{name}" at byte offset {at}')
        self.blanks()
        if self.source[self.position] != "=":
            if name == "blockquote" and key == "expandable":
                return key, "1"
            raise _error(
                "Expected equal sign in declaration of an attribute of the tag"
                f' "{name}" at byte offset {at}'
            )
        self.position += 1
        self.blanks()
        if self.source[self.position] == "\0":
            raise _error(f'Unclosed start tag "{name}" at byte offset {at}')
        quoted = self.source[self.position] in "'\""
        value = self.literal() if quoted else self.token()
        if self.source[self.position] == "\0":
            raise _error(f"Unclosed start tag at byte offset {at}")
        return key, value

    def token(self) -> str:
        start = self.position
        while (char := self.source[self.position]).isascii() and (char.isalnum() or char in ".-"):
            self.position += 1
        if char not in SPACE + ">":
            at = self.bytes_before(start)
            raise _error(f"Unexpected end of name token at byte offset {at}")
        return self.source[start : self.position].lower()

    def literal(self) -> str:
        quote, value = self.step(), ""
        while self.source[self.position] not in {quote, "\0"}:
            value += (self.source[self.position] == "&" and self.reference()) or self.step()
        self.position += self.source[self.position] == quote
        return value

    def end_tag(self, begin: int) -> None:
        at = self.bytes_before(begin)
        if not self.open:
            raise _error(f"Unexpected end tag at byte offset {at}")
        self.position += 1
        name = self.word(SPACE + ">").lower()
        self.blanks()
        if self.source[self.position] != ">":
            raise _error(f"Unclosed end tag at byte offset {at}")
        self.position += 1
        opened = self.open.pop()
        if name and name != opened.tag:
            raise _error(
                f'Unmatched end tag at byte offset {at}, expected "</{opened.tag}>",'
                f' found "</{name}>"'
            )
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
        """Make one `pre` with a language of `<pre><code class="language-…">` (either order)."""
        last = self.entities[-1] if self.entities else None
        same = last and all(last[key] == entity[key] for key in ("offset", "length"))
        if not last or not same:
            return False
        if opened.tag == "pre" and last["type"] == "code" and last.get("language"):
            last["type"] = "pre"
            return True
        if opened.tag == "code" and last["type"] == "pre" and opened.argument:
            last["language"] = opened.argument
            return True
        return False


def _argument(tag: str, key: str, value: str) -> str:
    if (tag, key) == ("a", "href") or (tag, key) == ("blockquote", "expandable"):
        return value
    if (tag, key) == ("code", "class") and value.startswith("language-"):
        return value[9:]
    if (tag, key) == ("span", "class") and value.startswith("tg-"):
        return value[3:]
    return ""


def _joined(chars: list[str]) -> str:
    text = "".join(chars)
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise _error(
            "Text contains invalid Unicode characters after decoding HTML entities, check for"
            " unmatched surrogate code units"
        ) from None


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
