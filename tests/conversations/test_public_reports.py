"""Public reports of bots and servers of this kind, replayed; each test names its reports."""

import os
from collections.abc import Iterator

import pytest

from bot.adapters.telegram import request
from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import Message, User
from tests.conversations.groups import open_room
from tests.conversations.leftovers import answered_later, second_tries_at_once
from tests.conversations.people import Person, fetch, link_of, links_of

CONTENT = os.urandom(3_000)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ask Telegram, and try transfers, again at once."""
    monkeypatch.setattr(request, "LONGEST_WAIT", 0.01)
    with second_tries_at_once(monkeypatch):
        yield


async def relayed(alice: Person, message: Message) -> bytes:
    """Return what the link of the answer to a message opens."""
    _, content, _ = await fetch(link_of(await answered_later(alice, message)))
    return content


@pytest.mark.parametrize("announced", [-1, None])
async def test_empty_download(alice: Person, announced: int | None) -> None:
    """The file server answers 200 with no byte, and only later with the file: that is no file
    (tdlib/telegram-bot-api#871).
    """
    alice.stage.telegram.faults.add(
        Fault("file", Effect.HTML, 2, args={"status": 200, "body": ""})
    )
    message = await alice.send(CONTENT, announced_size=announced)

    assert await relayed(alice, message) == CONTENT


async def test_conflict_for_a_moment(alice: Person) -> None:
    """Telegram takes a poll that was cut for a second bot: polls go on until it is over
    (alexei-led/ccgram#142).
    """
    fault = alice.stage.telegram.faults.add(
        Fault("getUpdates", Effect.ERROR, 4, args={"status": 409})
    )
    await alice.write("/help")
    await alice.until(lambda: fault.hits == 4)
    message = await alice.send(CONTENT)

    assert await relayed(alice, message) == CONTENT


async def test_network_is_gone(alice: Person) -> None:
    """The network is gone while a poll waits, and comes back: the bot hears again
    (NousResearch/hermes-agent#2476).
    """
    telegram = alice.stage.telegram
    await telegram.stop()
    await telegram.start()
    message = await alice.send(CONTENT)

    assert await relayed(alice, message) == CONTENT


async def test_whole_album(alice: Person) -> None:
    """Each photo of an album arrives, not the first alone (openclaw/openclaw#96846)."""
    photos = [os.urandom(1000 + number) for number in range(5)]
    sent = await alice.chat.send_album(alice.user, photos, kind="photo")
    answer = await alice.answered(sent[0])
    links = set(links_of(answer))

    assert {(await fetch(link))[1] for link in links} == set(photos)


@pytest.mark.parametrize(
    "name",
    ["../../../CLAUDE.md", "Quarterly-Report-2025.pdf", "Отчёт за июль.pdf", "报告.pdf", "2 "],
)
async def test_name_of_the_sender(alice: Person, name: str) -> None:
    """The download has the sender's name in any script, without folders and without a blank
    at its end; nothing is written outside (mtzanidakis/praktor#228, chatwoot/chatwoot#15070,
    Noveum/orbit#38, krau/SaveAny-Bot#119).
    """
    message = await alice.send(CONTENT, name)
    status, content, shown = await fetch(link_of(await alice.answered(message)))

    assert (status, content) == (200, CONTENT)
    assert shown is not None
    assert shown.removesuffix(".bin") == name.strip().rpartition("/")[2].removesuffix(".bin")


async def test_no_previews(alice: Person) -> None:
    """Telegram is never let open a link to show a preview (farjadp/Gheychi-Premium#4)."""
    message = await alice.send(CONTENT)
    answer = await alice.answered(message)
    await alice.press(answer, "Delete now")
    log = alice.stage.telegram.log
    calls = [*log.of("sendMessage"), *log.of("editMessageText")]

    assert calls != []
    assert [
        c for c in calls if c.params.get("link_preview_options") != {"is_disabled": True}
    ] == []


async def test_file_that_telegram_never_hands_out(alice: Person) -> None:
    """While Telegram does not answer getFile, the status says so and Cancel works
    (krau/SaveAny-Bot#166).
    """
    alice.stage.telegram.faults.add(Fault("getFile", Effect.LATE, 0, args={"seconds": 60}))
    await alice.send(CONTENT)
    await alice.until(lambda: len(alice.status_messages) == 1)
    await alice.press(alice.status_messages[0], "Cancel")
    await alice.until(lambda: not any(m.buttons for m in alice.status_messages))

    assert alice.stage.bucket.objects == {}


async def test_delivered_again_as_another_update(alice: Person) -> None:
    """One message that comes in two updates is relayed once (felinics/Memoh#337)."""
    telegram = alice.stage.telegram
    message = await alice.send(CONTENT)
    await alice.answered(message)
    assert message.attachment is not None
    raw = {
        "message_id": message.id,
        "date": int(message.date.timestamp()),
        "from": alice.user.json(),
        "chat": {"id": alice.id, "type": "private", "first_name": "Alice"},
        **message.attachment.json(),
    }
    await telegram.send_raw_update({"message": raw})
    later = await alice.send(b"later", "later.bin")
    await alice.answered(later)

    assert len([m for m in alice.said if m.reply_to == message.id]) == 1
    assert len(alice.stage.bucket.objects) == 2


async def test_general_topic(stage: LocalStack, anna: User, ben: User) -> None:
    """A message of General that names it as topic 1 is answered, though Telegram knows no such
    topic (tdlib/telegram-bot-api#798, openclaw/openclaw#874).
    """
    room = open_room(stage, anna, ben, forum=True)
    await stage.start_bot()
    file = await room.send(anna, CONTENT)
    stage.telegram.faults.add(
        Fault(
            "sendMessage",
            Effect.ERROR,
            0,
            where={"message_thread_id": "1"},
            args={"status": 400, "description": "Bad Request: message thread not found"},
        )
    )
    assert file.attachment is not None
    chat = {"id": room.id, "type": "supergroup", "title": "Friends", "is_forum": True}
    common = {"date": int(file.date.timestamp()), "chat": chat, "from": anna.json()}
    topic = {"message_thread_id": 1, "is_topic_message": True}
    asked = await room.write(ben, "hello")
    text = f"/share@{stage.telegram.username}"
    await stage.telegram.send_raw_update(
        {
            "message": {
                **common,
                **topic,
                "message_id": asked.id,
                "text": text,
                "entities": [{"type": "bot_command", "offset": 0, "length": len(text)}],
                "reply_to_message": {
                    **common,
                    **topic,
                    "message_id": file.id,
                    **file.attachment.json(),
                },
            }
        }
    )
    answer = await room.answered(asked)

    assert (await fetch(link_of(answer)))[1] == CONTENT


@pytest.mark.parametrize("mime", ["", "no type at all"])
async def test_file_without_a_type(alice: Person, mime: str) -> None:
    """A document without a usable MIME type is relayed (OpenListTeam/OpenList#3042)."""
    message = await alice.send(CONTENT, "data", mime=mime)

    assert await relayed(alice, message) == CONTENT
