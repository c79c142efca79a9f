"""A person who chooses a language, and when they are told that links end."""

import os
import re

from bot.demo.local_stack import LocalStack
from tests.conversations.groups import Room, open_room
from tests.conversations.people import Person

CHINESE = re.compile("[\u4e00-\u9fff]")


async def test_language_is_chosen_for_everything(stage: LocalStack, alice: Person) -> None:
    """A choice by a button outlives a restart; the user can go back to Telegram's language."""
    menu = await alice.answered(await alice.write("/language"))
    await alice.press(menu, "简体中文")
    await alice.until(lambda: not alice.shown(menu).buttons)
    await stage.stop_bot()
    await stage.start_bot(alice.id)
    answer = await alice.answered(await alice.send(os.urandom(1000), "a.txt"))
    status = await alice.answered(await alice.write("/status"))
    again = await alice.answered(await alice.write("/language"))
    await alice.press(again, "跟随 Telegram")
    await alice.until(lambda: not alice.shown(again).buttons)
    english = await alice.answered(await alice.write("/status"))

    assert [[button.text for button in row] for row in menu.buttons] == [
        ["English", "简体中文"],
        ["Same as Telegram"],
    ]
    assert alice.shown(menu).text == "从现在起我用简体中文和你交流。"
    assert alice.shown(again).text == "From now on I use English with you."
    assert CHINESE.search(answer.text)
    assert CHINESE.search(status.text)
    assert not CHINESE.search(english.text)


async def test_each_member_of_a_group_has_a_language(stage: LocalStack) -> None:
    """A member's choice of language in a group applies to that member only."""
    anna, ben = stage.telegram.add_user("Anna"), stage.telegram.add_user("Ben")
    room = open_room(stage, anna, ben)
    await stage.start_bot()
    file = await room.send(anna)
    menu = await room.answered(await room.write(anna, "/language"))
    refused = await room.press(ben, menu, "简体中文")
    await room.press(anna, menu, "简体中文")
    await room.until(lambda: not room.shown(menu).buttons)
    hers = await room.answered(await room.share(anna, file))
    his = await room.answered(await room.share(ben, file))

    assert refused.answer is not None
    assert refused.answer.text.startswith("Only the person who asked")
    assert CHINESE.search(hers.text)
    assert not CHINESE.search(his.text)


async def test_moments_are_told_in_the_zone_of_the_settings(stage: LocalStack) -> None:
    """Times have the offset of the zone, and beside them the time that is left."""
    stage.more["RELAY_TELEGRAM__ZONE"] = "Asia/Shanghai"
    alice = Person(stage)
    await stage.start_bot(alice.id)
    answer = await alice.answered(await alice.send(os.urandom(1000), "a.txt"))

    assert re.search(r"The link expires at [-\d]+ [\d:]+ UTC\+8, in 23 h 5\d min\.", answer.text)


async def test_each_chat_has_a_zone(stage: LocalStack) -> None:
    """In private each user chooses a zone; a group keeps its own through a restart and a
    migration.
    """
    anna, ben = stage.telegram.add_user("Anna"), stage.telegram.add_user("Ben")
    room = open_room(stage, anna, ben, supergroup=False)
    alice = Person(stage)
    await stage.start_bot(alice.id)
    hers = await alice.answered(await alice.write("/zone hong kong"))
    unknown = await alice.answered(await alice.write("/zone Atlantis"))
    refused = await room.answered(await room.write(ben, "/zone +1"))
    chosen = await room.answered(await room.write(anna, "/zone@relay_sandbox_bot +5:45"))
    await stage.stop_bot()
    await stage.start_bot(alice.id)
    told = await alice.answered(await alice.send(os.urandom(1000), "a.txt"))
    shared = await room.answered(await room.share(ben, await room.send(anna)))
    successor = Room(stage, await room.group.migrate(anna))
    moved = await successor.answered(
        await successor.share(anna, await successor.send(anna, name="after.bin"))
    )

    assert hers.text == "From now on times here are shown in Asia/Hong_Kong."
    assert unknown.text.startswith("Unknown time zone “Atlantis”. Give a city")
    assert refused.text == "Only admins of this group can change that."
    assert chosen.text == "From now on times here are shown in UTC+5:45."
    assert re.search(r"The link expires at [-\d]+ [\d:]+ UTC\+8, in 23 h", told.text)
    assert re.search(r"The link expires at [-\d]+ [\d:]+ UTC\+5:45, in 23 h", shared.text)
    assert re.search(r"The link expires at [-\d]+ [\d:]+ UTC\+5:45, in 23 h", moved.text)


async def test_zone_by_a_city_in_the_language_of_the_user(stage: LocalStack) -> None:
    """A city by its name in the user's language is understood."""
    bruno = Person(stage, "Bruno", language="pt-br")
    await stage.start_bot(bruno.id)
    told = await bruno.answered(await bruno.write("/zone São Paulo"))

    assert told.text == "From now on times here are shown in America/Sao_Paulo."
