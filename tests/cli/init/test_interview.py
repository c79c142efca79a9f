"""The interview of `relay-bot init`, with a person whose answers are written down."""

import asyncio
import stat
from collections.abc import Iterator

import pytest
import typer

from bot.cli.common import CommandFailed
from bot.cli.init.checks import read_answers, region_of, unfinished_of
from bot.cli.init.interview import BACK, Dialogue, GoBack, Interview
from bot.demo.local_stack import BUCKET, LocalStack
from bot.settings import Settings, load

END = "end of the input"


class Person(Dialogue):
    """Answers questions in order; records each question with what was told before it."""

    def __init__(self, *answers: str) -> None:
        super().__init__()
        self.is_interactive = True
        self._answers: Iterator[str] = iter(answers)
        self.asked: list[str] = []
        self.told: list[str] = []

    def prompt(self, question: str, *, default: str | None = None, secret: bool = False) -> str:
        """Return the next answer, or the default for an empty one."""
        del secret
        self.asked.append(question)
        answer = next(self._answers)
        if answer == END:
            raise typer.Abort
        if answer == BACK:
            raise GoBack
        return answer or default or ""

    def agrees(self, question: str) -> bool:
        """Say yes to "y"."""
        self.asked.append(question)
        return next(self._answers) == "y"

    def refuse(self, why: Exception | str) -> None:
        """Record a refusal."""
        self.told.append(str(why))

    def tell(self, text: str) -> None:
        """Record what was found out."""
        self.told.append(text)


async def interview(stage: LocalStack, *answers: str) -> tuple[Person, Settings | None]:
    """Hold an interview in a thread; return the person, and the settings if it came to its end."""
    person, path = Person(*answers), stage.folder / "made.toml"
    given = {
        "telegram.base_url": stage.telegram.base_url.removesuffix("/bot"),
        "oss.endpoint": stage.oss.endpoint,
    }

    def hold() -> bool:
        try:
            Interview(person, path, given).run(force=False)
        except typer.Abort:
            return False
        return True

    done = await asyncio.to_thread(hold)
    return person, load(path, {}) if done else None


def key(stage: LocalStack) -> tuple[str, str]:
    """Return id and secret of the key that may do everything."""
    return stage.oss.access_key_id, stage.oss.access_key_secret


async def test_wrong_answers_are_asked_again(stage: LocalStack) -> None:
    """Each wrong answer is refused where it is given; the region is taken as the console writes
    it.
    """
    token, (key_id, secret) = stage.telegram.token, key(stage)
    answers = ("nonsense", "9:nobody-knows-this-one", token, "Hong Kong", "oss-cn-hongkong")
    more = (key_id, "wrong", "", secret, "No Bucket", BUCKET, "maybe", "signed", "me", "7")
    person, settings = await interview(stage, *answers, *more)

    assert settings is not None
    assert (settings.oss.region, settings.access.admins) == ("cn-hongkong", (7,))
    assert [text for text in person.told if "SignatureDoesNotMatch" in text]
    assert [text for text in person.told if "maybe: signed or public" in text]
    assert secret not in "".join(person.told + person.asked)
    assert not unfinished_of(stage.folder / "made.toml").exists()


async def test_the_region_comes_before_the_secret(stage: LocalStack) -> None:
    """A region in which no OSS answers is found out before a key is asked for."""
    given = {"oss.endpoint": "http://127.0.0.1:9", "oss.region": "cn-nowhere"}
    given["telegram.base_url"] = stage.telegram.base_url.removesuffix("/bot")
    person = Person(stage.telegram.token, END)
    asking = Interview(person, stage.folder / "made.toml", given)
    with pytest.raises(typer.Abort):
        await asyncio.to_thread(asking.run, force=False)

    assert "is there a region cn-nowhere?" in person.told[-1]
    assert not [question for question in person.asked if "AccessKey" in question]


async def test_stopped_and_resumed(stage: LocalStack) -> None:
    """What was answered is kept, for its owner only, and not asked for the next time."""
    key_id, secret = key(stage)
    await interview(stage, stage.telegram.token, "", key_id, END)
    kept = unfinished_of(stage.folder / "made.toml")
    mode, answers = stat.S_IMODE(kept.stat().st_mode), read_answers(kept)
    person, settings = await interview(stage, secret, BUCKET, "", "7")

    assert (mode, answers["oss.region"], answers["oss.access_key_id"]) == (
        0o600,
        "cn-hongkong",
        key_id,
    )
    assert settings is not None
    assert [question[:10] for question in person.asked[:1]] == ["AccessKey "]
    assert not kept.exists()


async def test_back_to_any_answer(stage: LocalStack) -> None:
    """Each answer can be gone back to, and is then the default; the first one has none before
    it.
    """
    key_id, secret = key(stage)
    answers = (BACK, stage.telegram.token, "", key_id, secret, BUCKET, "signed")
    back = (BACK, BACK, BACK, BACK, BACK, BACK, "", "", "", "", "", "public", "7")
    person, settings = await interview(stage, *answers, *back)

    assert settings is not None
    assert (settings.link.mode.value, settings.oss.bucket) == ("public", BUCKET)
    assert person.told[0] == "This is the first question."


async def test_a_key_without_rights(stage: LocalStack, capsys: pytest.CaptureFixture[str]) -> None:
    """The policy to attach is printed, and the same bucket is tried again once it is attached."""
    weak = stage.oss.add_key("LTAI-weak", "weak-secret", allow=[], user="7")

    class Operator(Person):
        def prompt(
            self, question: str, *, default: str | None = None, secret: bool = False
        ) -> str:
            if "once it is attached" in question:
                weak.allow = frozenset({"oss:*"})
            return super().prompt(question, default=default, secret=secret)

    person = Operator(stage.telegram.token, "", "LTAI-weak", "weak-secret", BUCKET, "", "", "7")
    given = {
        "telegram.base_url": stage.telegram.base_url.removesuffix("/bot"),
        "oss.endpoint": stage.oss.endpoint,
    }
    asking = Interview(person, stage.folder / "made.toml", given)
    await asyncio.to_thread(asking.run, force=False)
    shown = capsys.readouterr()

    assert f"acs:oss:*:*:{BUCKET}" in shown.out
    assert "https://ram.console.aliyun.com/policies" in shown.out
    assert "AccessDenied" in shown.err
    assert load(stage.folder / "made.toml", {}).oss.bucket == BUCKET


async def test_no_is_asked_again(stage: LocalStack) -> None:
    """Another person wrote: the question comes again, and the next answer may be an id."""
    stranger = stage.telegram.add_user("Stranger")
    await stage.telegram.private_chat(stranger).send_text(stranger, "hello")
    key_id, secret = key(stage)
    answers = (stage.telegram.token, "", key_id, secret, BUCKET, "", "", "n", "8")
    person, settings = await interview(stage, *answers)

    assert settings is not None
    assert settings.access.admins == (8,)
    assert f"(id {stranger.id}) has written" in person.asked[-2]


async def test_telegram_out_of_reach(stage: LocalStack) -> None:
    """Telegram that does not answer is said, and a proxy asked for; it is written down."""
    base_url = stage.telegram.base_url.removesuffix("/bot")
    given = {"oss.endpoint": stage.oss.endpoint, "telegram.proxy": "http://127.0.0.1:9"}
    given["telegram.base_url"] = base_url
    key_id, secret = key(stage)
    # A bot of the stand-in needs no proxy, so that the one that is given last is none.
    answers = ("ftp://odd", "", "", key_id, secret, BUCKET, "", "7")
    person = Person(stage.telegram.token, *answers)
    asking = Interview(person, stage.folder / "made.toml", given)
    await asyncio.to_thread(asking.run, force=False)

    assert person.told[0].startswith(f"Telegram cannot be reached at {base_url}")
    assert "telegram.proxy" in person.told[1]
    assert load(stage.folder / "made.toml", {}).telegram.proxy is None


async def test_unreadable_answers(stage: LocalStack) -> None:
    """Answers that cannot be read are an error with its reason; nothing is overwritten."""
    unfinished_of(stage.folder / "made.toml").write_text("[telegram")
    with pytest.raises(CommandFailed, match=r"made\.toml\.part"):
        await interview(stage)


@pytest.mark.parametrize(
    "text",
    [
        "cn-hongkong",
        "oss-cn-hongkong",
        " OSS-CN-Hongkong ",
        "oss-cn-hongkong-internal.aliyuncs.com",
    ],
)
def test_how_regions_are_written(text: str) -> None:
    """The console and endpoints write a region with more around it."""
    assert region_of(text) == "cn-hongkong"
