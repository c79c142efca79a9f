"""Files in groups, shared by those who want them to be."""

from datetime import timedelta

from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import User
from tests.conversations.groups import Room, open_room
from tests.conversations.people import Person, fetch, link_of


async def test_share_by_reply(room: Room, anna: User, ben: User) -> None:
    """A member who replies to a file with the command gets its link, as a reply to the command."""
    file = await room.send(anna, b"minutes", "minutes.txt")
    asked = await room.share(ben, file)
    answer = await room.answered(asked)

    assert await fetch(link_of(answer)) == (200, b"minutes", "minutes.txt")
    assert "链接" in answer.text


async def test_share_below_the_file(room: Room, anna: User) -> None:
    """The command may stand below the file itself."""
    answer = await room.answered(await room.send(anna, b"minutes", caption="/share please"))

    assert await fetch(link_of(answer)) == (200, b"minutes", "a.bin")


async def test_share_of_another_chat(stage: LocalStack, room: Room, anna: User) -> None:
    """A file of another group can be shared by a reply from here."""
    elsewhere = stage.telegram.add_group("Elsewhere", anna, bot="left")
    file = await elsewhere.send_file(anna, content=b"far away", name="far.txt")
    answer = await room.answered(await room.share(anna, file))

    assert await fetch(link_of(answer)) == (200, b"far away", "far.txt")


async def test_share_in_private(stage: LocalStack) -> None:
    """A reply to an old file works in private too, and is a job of its own."""
    carol = Person(stage, "Carol")
    await stage.start_bot(carol.id)
    file = await carol.send(b"again", "again.txt")
    first = await carol.answered(file)
    asked = await carol.chat.send_text(carol.user, "/share", reply_to=file)
    second = await carol.answered(asked)

    assert link_of(first) != link_of(second)
    assert await fetch(link_of(second)) == (200, b"again", "again.txt")


async def test_share_without_a_file(room: Room, anna: User) -> None:
    """A command without a file is answered with one line on how to share one."""
    alone = await room.answered(await room.write(anna, "/share"))
    text = await room.write(anna, "just talk")
    of_text = await room.answered(await room.share(anna, text))

    assert f"/share@{room.stage.telegram.username}" in alone.text
    assert alone.text == of_text.text
    assert len(alone.text.splitlines()) == 1


async def test_everybody_has_a_job_of_their_own(room: Room, anna: User, ben: User) -> None:
    """Two people who share the same file get two links."""
    file = await room.send(anna)
    one = await room.answered(await room.share(anna, file))
    two = await room.answered(await room.share(ben, file))

    assert link_of(one) != link_of(two)


async def test_answer_stays_in_its_topic(stage: LocalStack, anna: User) -> None:
    """In a forum the answer comes where it was asked for; with the topic closed, in General."""
    room = open_room(stage, anna, forum=True)
    await stage.start_bot()
    topic = await room.group.add_topic(anna, "Paperwork")
    file = await room.send(anna, thread_id=topic)
    answer = await room.answered(await room.share(anna, file, thread_id=topic))
    room.group.closed_topics.add(topic)
    asked = await room.share(anna, file, thread_id=topic)
    await room.until(lambda: any(said.id != answer.id for said in room.said))
    second = next(said for said in room.said if said.id != answer.id)

    assert topic == answer.thread_id
    assert second.thread_id is None or second.reply_to == asked.id


async def test_deleted_command_is_answered_all_the_same(room: Room, anna: User) -> None:
    """The sender of a deleted command gets the link, without a reply."""
    room.stage.telegram.shape.down_total = 400_000.0
    file = await room.send(anna, b"x" * 400_000)
    asked = await room.share(anna, file)
    await room.group.delete(asked)
    await room.until(lambda: bool(room.said))
    answer = room.said[0]

    assert answer.reply_to is None
    assert (await fetch(link_of(answer)))[0] == 200


async def test_group_is_left_in_peace(stage: LocalStack, anna: User, ben: User) -> None:
    """A bot that sees all messages answers only commands and files meant for it."""
    stage.telegram.privacy.reads_all = True
    room = open_room(stage, anna, ben)
    await stage.start_bot()
    await room.write(anna, "hello")
    await room.send(anna)
    await room.send(anna, kind="photo", name="")
    await room.write(ben, "/share@another_bot")
    await room.group.send_text(ben, "/nonsense")
    asked = await room.write(ben, "/nonsense")
    answer = await room.answered(asked)

    assert [answer] == room.said
    assert "/share" in answer.text
    assert not stage.telegram.log.of("getFile")


async def test_hidden_senders_are_their_chats(stage: LocalStack, room: Room, anna: User) -> None:
    """Anonymous admins and senders as a channel can share too."""
    channel = stage.telegram.add_channel("News", anna, bot="left")
    file = await room.send(anna)
    hidden = await room.answered(await room.share(anna, file, as_chat=room.group))
    published = await room.answered(await room.share(anna, file, as_chat=channel))

    assert (await fetch(link_of(hidden)))[0] == 200
    assert (await fetch(link_of(published)))[0] == 200


async def test_hidden_senders_hear_the_language_of_the_group(
    room: Room, anna: User, ben: User
) -> None:
    """A hidden sender has no language; the answer uses that of the last sender who had one."""
    asked = await room.share(ben, await room.send(anna))
    await room.answered(asked)
    hidden = await room.answered(await room.write(anna, "/share", as_chat=room.group))

    assert "回复文件" in hidden.text


async def test_status_of_a_group(room: Room, anna: User, ben: User) -> None:
    """`/status` lists what all members asked for here; its button works for the owner
    of the link.
    """
    empty = await room.answered(await room.write(anna, "/status"))
    file = await room.send(anna, name="plan.pdf")
    answer = await room.answered(await room.share(ben, file))
    status = await room.answered(await room.write(anna, "/status"))
    query = await room.press(ben, status, status.buttons[0][0].text)
    await room.until(lambda: not room.shown(answer).buttons)

    assert "/share" in empty.text
    assert "plan.pdf" in status.text
    assert query.answer is not None
    assert "已删除" in query.answer.text
    assert (await fetch(link_of(answer)))[0] in {403, 404}


async def test_links_of_a_group_end(stage: LocalStack, room: Room, anna: User) -> None:
    """Links of a group end like all others, and the answer says so."""
    answer = await room.answered(await room.share(anna, await room.send(anna)))
    stage.clock.advance(timedelta(hours=24))
    await room.until(lambda: not room.shown(answer).buttons)

    assert (await fetch(link_of(answer)))[0] in {403, 404}
