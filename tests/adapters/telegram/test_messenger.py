"""Messages through the library's own bot, against the stand-in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from telegram.request import BaseRequest, HTTPXRequest

from bot.adapters.telegram.buttons import Action, ButtonCodec, JobButton
from bot.adapters.telegram.messenger import TelegramMessenger
from bot.adapters.telegram.renderer import Renderer
from bot.adapters.telegram.request import AiohttpRequest, RelayBot
from bot.core.errors import (
    ChatError,
    ChatFlooded,
    ChatGone,
    ChatMoved,
    ChatUnavailable,
    ChatUncertain,
    MessageGone,
    MessageRefused,
)
from bot.core.jobs import JobState
from bot.core.ports.chat import Messenger, Place, Reaction
from bot.core.ports.views import (
    AnswerItem,
    Notice,
    Overview,
    StatusLine,
    StatusMessage,
    View,
    Welcome,
)
from bot.sandbox.clock import SandboxClock
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.telegram import PrivateChat, TelegramStandIn, User
from tests.adapters.telegram.bots import bot_of, httpx_client
from tests.adapters.telegram.views import (
    LIFETIME,
    NOW,
    SHA256,
    URL,
    answer,
    live,
    live_link,
    make_link,
)

TEXTS = Renderer()
KEYBOARDS = ButtonCodec(b"123456:TEST-token")
HELP = Notice("help-any-text")
CARD = StatusMessage((StatusLine(7, "report.pdf", JobState.QUEUED, position=3),))
STEP = StatusMessage((StatusLine(7, "report.pdf", JobState.QUEUED, position=2),))


@pytest.fixture
async def telegram(tmp_path: Path) -> AsyncIterator[TelegramStandIn]:
    """A stand-in with a clock that stands at the time of the views."""
    async with TelegramStandIn(tmp_path, clock=SandboxClock(NOW, running=False)) as stand_in:
        yield stand_in


@pytest.fixture
def alice(telegram: TelegramStandIn) -> User:
    """A person who uses the bot."""
    return telegram.add_user("Alice")


@pytest.fixture
def chat(telegram: TelegramStandIn, alice: User) -> PrivateChat:
    """The chat of Alice with the bot."""
    return telegram.private_chat(alice)


@pytest.fixture(params=[HTTPXRequest, AiohttpRequest], ids=["httpx", "aiohttp"])
def client(request: pytest.FixtureRequest) -> BaseRequest:
    """Each of the two clients that can be below the library."""
    if request.param is HTTPXRequest:
        return httpx_client()
    return AiohttpRequest()


@pytest.fixture
async def bot(telegram: TelegramStandIn, client: BaseRequest) -> AsyncIterator[RelayBot]:
    """The library's own bot over each of the clients."""
    async with bot_of(telegram, client) as opened:
        yield opened


@pytest.fixture
def messenger(bot: RelayBot) -> TelegramMessenger:
    """What is tested."""
    return TelegramMessenger(bot, TEXTS, KEYBOARDS)


def at(chat: PrivateChat, reply_to: int | None = None) -> Place:
    """Return the place of a chat."""
    return Place(chat.id, reply_to=reply_to)


def test_messenger_fulfils_the_port() -> None:
    """Type checkers and people see the same contract."""
    messenger: Messenger = TelegramMessenger(RelayBot("1:x"), TEXTS, KEYBOARDS)

    assert messenger.fit(answer(live(), live(), live()), language="en") == 3


async def test_answer_arrives_as_it_was_worded(
    messenger: TelegramMessenger, chat: PrivateChat, alice: User
) -> None:
    """A reply, with every piece of information, without preview, with sound."""
    asked = await chat.send_file(alice, content=b"abc", name="report.pdf")
    message_id = await messenger.send(at(chat, asked.id), answer(live()), language="en")
    shown = chat.messages[-1]

    assert shown.id == message_id
    assert shown.reply_to == asked.id
    assert shown.preview_off
    assert not shown.silent
    assert shown.text == (
        f"report.pdf · 12.4 MB\nOpen the link\n{URL}\n\nSHA-256 {SHA256}\n"
        "The link expires at 2026-11-25 14:20 UTC, in 23 h 55 min."
    )
    marked = {(entity["type"], entity.get("url")) for entity in shown.entities}
    assert marked == {("bold", None), ("text_link", URL), ("code", None)}
    (first, second), (third,) = shown.buttons
    assert (first.url, second.copy_text) == (URL, URL)
    assert KEYBOARDS.parse(third.data or "") == JobButton(Action.DELETE, 7)


@pytest.mark.parametrize(
    "view",
    [
        HELP,
        Notice("stranger", {"id": 5}),
        answer(live(name='<b>"&\u2068'), live(9)),
        CARD,
        Overview(CARD.lines, (live_link(9),) * 7, NOW, subject=5, page=2, pages=9),
        Welcome(20 << 20, LIFETIME),
        answer(*[live(n, link=make_link(URL + "&x=" * 50)) for n in range(7)]),
    ],
    ids=lambda view: type(view).__name__,
)
@pytest.mark.parametrize("language", ["en", "zh-hans"])
async def test_strict_server_takes_every_view(
    messenger: TelegramMessenger, chat: PrivateChat, view: View, language: str
) -> None:
    """No view is refused for its markup, its length or its buttons."""
    await messenger.send(at(chat), view, language=language)

    assert chat.messages[-1].html


async def test_silent_message_is_silent(messenger: TelegramMessenger, chat: PrivateChat) -> None:
    """A status message does not ring, an answer does."""
    await messenger.send(at(chat), CARD, language="en", silent=True)
    await messenger.send(at(chat), HELP, language="en")

    assert [message.silent for message in chat.messages] == [True, False]


async def test_reply_to_a_message_that_is_gone(
    messenger: TelegramMessenger, chat: PrivateChat, alice: User
) -> None:
    """The user deleted the file's message: the answer comes, only not as a reply."""
    asked = await chat.send_text(alice, "hi")
    await chat.delete(asked)
    await messenger.send(at(chat, asked.id), HELP, language="en")

    assert chat.messages[-1].reply_to is None


async def test_topic_that_is_gone(
    telegram: TelegramStandIn, messenger: TelegramMessenger, chat: PrivateChat
) -> None:
    """A message for a topic that is gone goes to General; no topic is named otherwise."""
    await messenger.send(Place(chat.id, thread_id=77), HELP, language="en")
    await messenger.send(Place(chat.id), HELP, language="en")

    sent = [entry.params.get("message_thread_id") for entry in telegram.log.of("sendMessage")]
    assert [str(sent[0]), *sent[1:]] == ["77", None, None]
    assert len(chat.messages) == 2


async def test_edit_changes_text_and_buttons(
    messenger: TelegramMessenger, chat: PrivateChat
) -> None:
    """The edit replaces text and buttons; without buttons in the view they go."""
    message_id = await messenger.send(at(chat), CARD, language="en")
    await messenger.edit(chat.id, message_id, STEP, language="en")
    (shown,) = chat.messages
    assert shown.text == "report.pdf\nWaiting, position 2 in the queue"
    assert len(shown.buttons) == 1
    await messenger.edit(chat.id, message_id, HELP, language="zh")
    (shown,) = chat.messages

    assert shown.buttons == ()
    assert shown.preview_off
    assert shown.text.startswith("发送文件")


async def test_unchanged_edit_is_no_error(
    messenger: TelegramMessenger, chat: PrivateChat, telegram: TelegramStandIn
) -> None:
    """Telegram refuses it, and the messenger ignores the refusal."""
    message_id = await messenger.send(at(chat), CARD, language="en")
    await messenger.edit(chat.id, message_id, CARD, language="en")

    assert [entry.status for entry in telegram.log.of("editMessageText")] == [400]


async def test_edit_of_a_message_that_is_gone(
    messenger: TelegramMessenger, chat: PrivateChat
) -> None:
    """The caller learns that this message cannot be edited any more."""
    message_id = await messenger.send(at(chat), CARD, language="en")
    await chat.delete(message_id)

    with pytest.raises(MessageGone):
        await messenger.edit(chat.id, message_id, STEP, language="en")


async def test_edit_of_somebody_else_s_message(
    messenger: TelegramMessenger, chat: PrivateChat, alice: User
) -> None:
    """A message that cannot be edited is as good as gone."""
    asked = await chat.send_text(alice, "hi")

    with pytest.raises(MessageGone):
        await messenger.edit(chat.id, asked.id, STEP, language="en")


async def test_delete_removes_and_may_be_repeated(
    messenger: TelegramMessenger, chat: PrivateChat
) -> None:
    """A message that is gone already is what was wanted."""
    message_id = await messenger.send(at(chat), CARD, language="en")
    await messenger.delete(chat.id, message_id)
    await messenger.delete(chat.id, message_id)

    assert chat.messages == []


async def test_delete_after_48_hours_is_no_error(
    messenger: TelegramMessenger, chat: PrivateChat, telegram: TelegramStandIn
) -> None:
    """Telegram keeps old messages; nothing more can be done about it."""
    fault = Fault(
        "deleteMessage",
        Effect.ERROR,
        args={"status": 400, "description": "Bad Request: message can't be deleted for everyone"},
    )
    telegram.faults.add(fault)
    await messenger.delete(chat.id, await messenger.send(at(chat), CARD, language="en"))

    assert fault.hits == 1


async def test_press_is_read_and_answered(
    messenger: TelegramMessenger, chat: PrivateChat, alice: User, telegram: TelegramStandIn
) -> None:
    """A press carries signed data, and its answer is one plain line."""
    await messenger.send(at(chat), CARD, language="en")
    query = await chat.press(alice, chat.messages[-1], "Cancel")
    assert KEYBOARDS.parse(query.data) == JobButton(Action.CANCEL, 7)
    await messenger.answer_press(query.id, Notice("cancelling"), language="en")
    await telegram.wait_for(lambda: query.answer is not None)

    assert query.answer is not None
    assert query.answer.text == "Cancelling…"


async def test_press_is_answered_without_a_word(
    messenger: TelegramMessenger, chat: PrivateChat, alice: User
) -> None:
    """The app stops waiting, and shows nothing."""
    await messenger.send(at(chat), CARD, language="en")
    query = await chat.press(alice, chat.messages[-1], "Cancel")
    await messenger.answer_press(query.id, None, language="en")

    assert query.answer is not None
    assert query.answer.text == ""


async def test_reactions_take_each_other_s_place(
    messenger: TelegramMessenger, chat: PrivateChat, alice: User
) -> None:
    """Each reaction replaces the one before it."""
    message = await chat.send_file(alice, content=b"x", name="a.txt")
    seen = []
    for reaction in Reaction:
        await messenger.react(chat.id, message.id, reaction)
        seen.append(chat.messages[-1].reactions)

    assert seen == [("\N{EYES}",), ("\N{THUMBS UP SIGN}",), ()]


async def test_reaction_to_a_message_that_is_gone_has_a_name(
    messenger: TelegramMessenger, chat: PrivateChat
) -> None:
    """The error is a permanent one: no reaction can be shown there."""
    with pytest.raises(ChatError) as caught:
        await messenger.react(chat.id, 999, Reaction.DONE)

    assert caught.value.permanent


async def test_server_without_reactions(
    messenger: TelegramMessenger, telegram: TelegramStandIn, chat: PrivateChat, alice: User
) -> None:
    """A server older than the method refuses for good; the token is not to blame."""
    telegram.world.missing_methods.add("setMessageReaction")
    message = await chat.send_text(alice, "hello")

    with pytest.raises(MessageRefused):
        await messenger.react(chat.id, message.id, Reaction.DONE)


async def test_press_that_is_too_old_is_no_error(
    messenger: TelegramMessenger, telegram: TelegramStandIn
) -> None:
    """Telegram refuses the late answer, and the messenger ignores the refusal."""
    await messenger.answer_press("123", Notice("press-too-late"), language="en")

    assert [entry.status for entry in telegram.log.of("answerCallbackQuery")] == [400]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"status": 429, "retry_after": 12}, ChatFlooded),
        ({"migrate_to_chat_id": -100500}, ChatMoved),
        ({"status": 403}, ChatGone),
        ({"status": 400, "description": "Bad Request: chat not found"}, ChatGone),
        ({"status": 400, "description": "Bad Request: message is too long"}, MessageRefused),
        ({"status": 401}, ChatUnavailable),
        ({"status": 404}, ChatUnavailable),
        ({"status": 500}, ChatUncertain),
    ],
    ids=str,
)
async def test_refusals_have_names(
    messenger: TelegramMessenger,
    chat: PrivateChat,
    telegram: TelegramStandIn,
    args: dict[str, str | int | float],
    expected: type[ChatError],
) -> None:
    """Each refusal of the server is one of the port's errors, after one call."""
    fault = telegram.faults.add(Fault("sendMessage", Effect.ERROR, times=0, args=args))
    with pytest.raises(ChatError) as caught:
        await messenger.send(at(chat), HELP, language="en")

    assert type(caught.value) is expected
    assert fault.hits == 1
    assert getattr(caught.value, "delay", 12) == 12
    assert getattr(caught.value, "chat_id", -100500) == -100500


@pytest.mark.parametrize("effect", [Effect.RESET, Effect.LOST, Effect.HTML])
async def test_lost_answer_is_uncertain(
    messenger: TelegramMessenger, chat: PrivateChat, telegram: TelegramStandIn, effect: Effect
) -> None:
    """A broken connection or a proxy's page says nothing about the message; no second try."""
    telegram.faults.add(Fault("sendMessage", effect, times=0))
    with pytest.raises(ChatUncertain):
        await messenger.send(at(chat), HELP, language="en")

    assert len(telegram.log.of("sendMessage")) == 1
    assert len(chat.messages) == (effect is Effect.LOST)


async def test_late_answer_is_uncertain(
    bot: RelayBot, chat: PrivateChat, telegram: TelegramStandIn
) -> None:
    """The message is there, the answer came too late: the caller must not believe it failed."""
    telegram.faults.add(Fault("sendMessage", Effect.LATE, args={"seconds": 30}))
    messenger = TelegramMessenger(bot, TEXTS, KEYBOARDS, patience=0.2)
    with pytest.raises(ChatUncertain):
        await messenger.send(at(chat), HELP, language="en")

    assert len(chat.messages) == 1


async def test_server_out_of_reach_is_certain(
    messenger: TelegramMessenger, chat: PrivateChat, telegram: TelegramStandIn
) -> None:
    """A refused connection certainly placed nothing, and the token is not in the error."""
    await telegram.stop()
    with pytest.raises(ChatUnavailable) as caught:
        await messenger.send(at(chat), HELP, language="en")

    assert telegram.token not in str(caught.value)


@pytest.mark.parametrize(
    "description",
    ["BUTTON_URL_INVALID", "BUTTON_COPY_TEXT_INVALID", "reply markup is too long"],
)
async def test_refused_buttons_cost_only_the_buttons(
    messenger: TelegramMessenger,
    chat: PrivateChat,
    telegram: TelegramStandIn,
    description: str,
) -> None:
    """An address that Telegram does not take for a button: the answer comes, with Delete only."""
    args: dict[str, str | int | float] = {
        "status": 400,
        "description": f"Bad Request: {description}",
    }
    telegram.faults.add(Fault("sendMessage", Effect.ERROR, args=args))
    message_id = await messenger.send(at(chat), answer(live()), language="en")
    telegram.faults.add(Fault("editMessageText", Effect.ERROR, args=args))
    await messenger.edit(chat.id, message_id, answer(live(9)), language="en")
    (shown,) = chat.messages

    assert [button.text for row in shown.buttons for button in row] == ["Delete now"]
    assert URL in shown.text


async def test_refused_press_buttons_are_a_defect(
    messenger: TelegramMessenger, chat: PrivateChat, telegram: TelegramStandIn
) -> None:
    """Without buttons to leave out, the refusal is raised."""
    fault = telegram.faults.add(
        Fault(
            "sendMessage",
            Effect.ERROR,
            times=0,
            args={"status": 400, "description": "Bad Request: BUTTON_DATA_INVALID"},
        )
    )
    with pytest.raises(MessageRefused):
        await messenger.send(at(chat), CARD, language="en")

    assert fault.hits == 1


async def test_blocked_bot_learns_it(messenger: TelegramMessenger, chat: PrivateChat) -> None:
    """The error says that the user has blocked the bot."""
    await chat.block()

    with pytest.raises(ChatGone):
        await messenger.send(at(chat), HELP, language="en")


@pytest.mark.parametrize("result", ["null", "{}", "[1]", "true"])
async def test_unreadable_answer(
    telegram: TelegramStandIn, messenger: Messenger, chat: PrivateChat, result: str
) -> None:
    """An answer that is no message leaves open whether there is one."""
    telegram.faults.add(Fault("sendMessage", Effect.ODD, args={"result": result}))
    with pytest.raises(ChatUncertain) as caught:
        await messenger.send(Place(chat.id), HELP, language="en")

    assert caught.value.answered


@pytest.mark.parametrize("views", [[live()], [live(), live(9, "b<&>.pdf")]], ids=["one", "two"])
async def test_plain_message(
    telegram: TelegramStandIn,
    messenger: Messenger,
    chat: PrivateChat,
    views: list[AnswerItem],
) -> None:
    """It says the same without formatting and buttons, and each address stands in it once."""
    message_id = await messenger.send(Place(chat.id), answer(*views), language="en", plain=True)
    (sent,) = chat.messages
    await messenger.edit(chat.id, message_id, answer(live(9, "c.pdf")), language="en", plain=True)
    (edited,) = chat.messages

    for shown, count in ((sent, len(views)), (edited, 1)):
        assert shown.text.count(URL) == shown.text.count(SHA256) == count
        assert all(entity["type"] == "url" for entity in shown.entities)
        assert not shown.buttons
    assert all(item.name in sent.text for item in views)
    assert all(
        "parse_mode" not in request.params and "reply_markup" not in request.params
        for method in ("sendMessage", "editMessageText")
        for request in telegram.log.of(method)
    )


async def test_plain_message_holds_fewer_files(messenger: Messenger, chat: PrivateChat) -> None:
    """As many as it says: one more would be refused."""
    long = make_link("https://bucket.example/" + "k" * 900)
    items = [live(number, link=long) for number in range(1, 9)]
    count = messenger.fit(answer(*items), language="en", plain=True)
    await messenger.send(Place(chat.id), answer(*items[:count]), language="en", plain=True)
    with pytest.raises(MessageRefused):
        await messenger.send(
            Place(chat.id), answer(*items[: count + 1]), language="en", plain=True
        )

    assert count == 3


@pytest.mark.parametrize("result", ["null", "{}"])
async def test_probe(telegram: TelegramStandIn, messenger: Messenger, result: str) -> None:
    """Any answer of Telegram will do; the page of a proxy is none."""
    await messenger.probe()
    telegram.faults.add(Fault("getMe", Effect.ODD, args={"result": result}))
    await messenger.probe()
    telegram.faults.add(Fault("getMe", Effect.HTML))
    with pytest.raises(ChatUncertain):
        await messenger.probe()
