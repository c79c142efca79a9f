"""Fields of messages whose files lie deeper: paid media, blocks of rich messages; and stories.

Hand them to `Chat.send_special`. Shapes: Bot API 10.1, "PaidMediaInfo", "RichMessage", "Story".
"""

from collections.abc import Sequence
from typing import Any

from bot.sandbox.telegram.files import Attachment
from bot.sandbox.telegram.model import ChatInfo


def paid_media(items: Sequence[Attachment], *, stars: int = 5) -> dict[str, Any]:
    """Return paid media that the bot can open: photos, videos and live photos with file ids."""
    media = [{"type": item.kind, item.kind: item.json()[item.kind]} for item in items]
    return {"paid_media": {"star_count": stars, "paid_media": media}}


def locked_media(count: int = 1, *, stars: int = 5) -> dict[str, Any]:
    """Return paid media that was not paid for: previews without file ids."""
    preview = {"type": "preview", "width": 1280, "height": 960}
    return {"paid_media": {"star_count": stars, "paid_media": [dict(preview)] * count}}


def rich_message(items: Sequence[Attachment], *, text: str = "") -> dict[str, Any]:
    """Return a rich message: a paragraph if there is a text, then one block per file.

    Two files or more lie in a collage, one level deeper.
    """
    blocks = [_block(item) for item in items]
    if len(blocks) > 1:
        blocks = [{"type": "collage", "blocks": blocks}]
    paragraph = [{"type": "paragraph", "text": text}] if text else []
    return {"rich_message": {"blocks": [*paragraph, *blocks]}}


def story(chat: ChatInfo, number: int = 1) -> dict[str, Any]:
    """Return a forwarded story of a chat; bots cannot have its file."""
    return {"story": {"chat": chat.json(), "id": number}}


def _block(item: Attachment) -> dict[str, Any]:
    # The one kind with another name there (source: Bot API, "RichBlockVoiceNote").
    name = "voice_note" if item.kind == "voice" else item.kind
    return {"type": name, name: item.json()[item.kind]}
