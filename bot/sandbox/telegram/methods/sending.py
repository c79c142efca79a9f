"""Methods that put a message into a chat: texts, files, albums, forwards, copies."""

from functools import partial
from pathlib import Path
from typing import Any, Final

from bot.sandbox.telegram.errors import bad_request
from bot.sandbox.telegram.files import (
    DEFAULT_MIME,
    KINDS,
    NAMELESS,
    Attachment,
    StoredFile,
    attach,
    new_media_group_id,
)
from bot.sandbox.telegram.formatting import message_caption, message_text
from bot.sandbox.telegram.keyboards import parse_markup
from bot.sandbox.telegram.membership import check_writable
from bot.sandbox.telegram.messages import place_message, take_message_id
from bot.sandbox.telegram.methods.method import (
    Destination,
    Method,
    destination_of,
    find_chat,
    find_message,
    writable_chat,
)
from bot.sandbox.telegram.model import Message, origin_of
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.world import World

ACTIONS: Final = frozenset(
    {
        "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice",
        "upload_document", "choose_sticker", "find_location", "record_video_note",
        "upload_video_note", "record_audio", "upload_audio", "cancel",
    }
)  # fmt: skip


async def send_message(world: World, params: Params) -> Any:
    """`sendMessage`."""
    body = message_text(params)
    message = _new(world, destination_of(world, params), params)
    message.body = body
    message.link_preview = _link_preview(params)
    return await _deliver(world, message)


async def send_media(world: World, params: Params, *, kind: str) -> Any:
    """`sendDocument` and its siblings: by upload or by file id."""
    body = message_caption(params)
    target = destination_of(world, params)
    attachment = _attachment(world, params, kind, kind)
    message = _new(world, target, params)
    message.body, message.attachment = body, attachment
    return await _deliver(world, message)


async def send_media_group(world: World, params: Params) -> Any:
    """`sendMediaGroup`: 2-10 items, one message each."""
    items = params.items("media", "InputMedia")
    if not items:
        raise bad_request('parameter "media" is required')
    target = destination_of(world, params)
    made = [_grouped(world, params, item) for item in items]
    group_id = new_media_group_id() if len(made) > 1 else None
    results = []
    for attachment, body in made:
        message = _new(world, target, params)
        message.attachment, message.body, message.media_group_id = attachment, body, group_id
        results.append(await _deliver(world, message))
    return results


def _grouped(world: World, params: Params, item: Any) -> tuple[Attachment, Any]:
    if not isinstance(item, dict) or item.get("type") not in KINDS:
        raise bad_request("can't parse InputMedia: type must be one of the known ones")
    own = Params(dict(item), params.uploads)
    return _attachment(world, own, str(item["type"]), "media"), message_caption(own)


async def send_chat_action(world: World, params: Params) -> Any:
    """`sendChatAction`."""
    chat = writable_chat(world, params)
    action = params.text("action")
    if action not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat.actions.append(action)
    return True


async def forward_message(world: World, params: Params) -> Any:
    """`forwardMessage`."""
    target = destination_of(world, params)
    source = _source(world, params, "message to forward not found")
    if source.protected:
        raise bad_request("message can't be forwarded")
    message = _again(world, source)
    message.chat, message.thread_id = target.chat.info, target.thread_id
    message.is_topic = target.is_topic
    message.origin = origin_of(source)
    message.silent = params.flag("disable_notification")
    return await _deliver(world, message)


async def copy_message(world: World, params: Params) -> Any:
    """`copyMessage`: the same content from the bot, with another caption if wanted."""
    target = destination_of(world, params)
    source = _source(world, params, "message to copy not found")
    message = _again(world, source)
    message.chat, message.thread_id = target.chat.info, target.thread_id
    message.is_topic, message.reply_to = target.is_topic, target.reply_to
    message.markup = parse_markup(params)
    message.silent = params.flag("disable_notification")
    if message.attachment is not None and "caption" in params.values:
        message.body = message_caption(params)
    return {"message_id": (await _deliver(world, message))["message_id"]}


def _source(world: World, params: Params, missing: str) -> Message:
    return find_message(find_chat(world, params, "from_chat_id"), params, missing=missing)


def _again(world: World, source: Message) -> Message:
    message = Message(source.chat, 0, world.clock.now(), world.bot)
    message.body, message.attachment = source.body, source.attachment
    message.service = dict(source.service)
    return message


def _new(world: World, target: Destination, params: Params) -> Message:
    markup = parse_markup(params)
    message = Message(target.chat.info, 0, world.clock.now(), world.bot)
    message.reply_to, message.thread_id = target.reply_to, target.thread_id
    message.is_topic = target.is_topic
    message.markup = markup
    message.silent = params.flag("disable_notification")
    message.protected = params.flag("protect_content")
    return message


async def _deliver(world: World, message: Message) -> Any:
    chat = world.chats[message.chat.id]
    await world.flood.admit(message.chat.id, edit=False)
    check_writable(world, chat)  # held back, the chat may have changed meanwhile.
    message.id, message.date = take_message_id(world, chat), world.clock.now()
    place_message(world, chat, message, by_bot=True)
    return message.json()


def _link_preview(params: Params) -> dict[str, Any] | None:
    return params.mapping("link_preview_options", "link preview options")


def _attachment(world: World, params: Params, kind: str, name: str) -> Attachment:
    """Find or store the file that parameter `name` names."""
    wanted = params.text(name)
    upload = params.uploads.get(wanted.removeprefix("attach://") if wanted else name)
    if upload is not None:
        stored = world.files.add(kind, upload.path)
        stored.name = None if kind in NAMELESS else upload.name
        stored.mime = upload.mime or DEFAULT_MIME.get(kind)
        return attach(world.files, stored)
    if not wanted:
        raise bad_request(f"there is no {kind.replace('_', ' ')} in the request")
    stored = world.files.find(wanted) or _local(world, wanted, kind)
    if stored.kind != kind:
        raise bad_request("wrong type of file")
    return attach(world.files, stored)


def _local(world: World, wanted: str, kind: str) -> StoredFile:
    # Only a server in local mode opens files of its own disk.
    if world.local is None or not wanted.startswith("file://"):
        raise bad_request("wrong remote file identifier specified: can't unserialize it")
    path = Path(wanted.removeprefix("file://"))
    if not path.is_file():
        raise bad_request("wrong file identifier/HTTP URL specified")
    return world.files.add(kind, path, name=path.name)


METHODS: Final[dict[str, Method]] = {
    "sendMessage": send_message,
    "sendDocument": partial(send_media, kind="document"),
    "sendPhoto": partial(send_media, kind="photo"),
    "sendVideo": partial(send_media, kind="video"),
    "sendAudio": partial(send_media, kind="audio"),
    "sendVoice": partial(send_media, kind="voice"),
    "sendVideoNote": partial(send_media, kind="video_note"),
    "sendAnimation": partial(send_media, kind="animation"),
    "sendSticker": partial(send_media, kind="sticker"),
    "sendMediaGroup": send_media_group,
    "sendChatAction": send_chat_action,
    "forwardMessage": forward_message,
    "copyMessage": copy_message,
}
