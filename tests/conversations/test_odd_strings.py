"""Captions, titles of groups and names of people, as people make them."""

import itertools

from bot.core.files import clean_name
from bot.demo.local_stack import LocalStack
from bot.sandbox.telegram import VisibleMessage
from tests.conversations.people import Person, fetch, link_of
from tests.conversations.test_names import CHOSEN, generated

ODD = [text for text in CHOSEN + generated(60) if text.strip() and "\0" not in text]


async def test_odd_captions_and_people(stage: LocalStack) -> None:
    """With any caption and any sender there is one right link with the right name."""
    people = [Person(stage, text) for text in ODD[::4]]
    await stage.start_bot(*(person.id for person in people))
    captions = itertools.cycle(ODD)
    sent = [
        (person, await person.send(b"bytes", text, caption=next(captions)))
        for person, text in zip(people, reversed(ODD), strict=False)
    ]
    got = []
    for (person, message), text in zip(sent, reversed(ODD), strict=False):
        answer = await person.answered(message)
        got.append((*await fetch(link_of(answer)), clean_name(text, fallback="")))

    assert len(people) == len(got)
    assert all(one[:2] == (200, b"bytes") for one in got)
    assert [(name, wanted) for _, _, name, wanted in got if wanted not in {"", name}] == []


async def test_odd_titles(stage: LocalStack) -> None:
    """In groups with any title a file can be shared, and `/status` lists it."""
    anna = stage.telegram.add_user("<b>Anna</b> & \u202eCo")
    groups = [stage.telegram.add_group(text[:128], anna) for text in ODD[::5]]
    stage.more["RELAY_ACCESS__GROUPS"] = ",".join(str(group.id) for group in groups)
    await stage.start_bot(anna.id)

    def answer_to(message_id: int, shown: list[VisibleMessage]) -> VisibleMessage | None:
        return next((m for m in shown if m.from_bot and m.reply_to == message_id), None)

    for group in groups:
        file = await group.send_file(anna, content=b"bytes", name="a.txt")
        asked = await group.send_text(anna, f"/share@{stage.telegram.username}", reply_to=file)
        await stage.telegram.wait_for(
            lambda g=group, a=asked: answer_to(a.id, g.messages) is not None  # type: ignore[misc]
        )
        answer = answer_to(asked.id, group.messages)
        assert answer is not None
        assert (await fetch(link_of(answer)))[1] == b"bytes"

    assert stage.telegram.flood.hits == 0
