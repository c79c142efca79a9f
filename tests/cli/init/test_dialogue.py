"""The questions of `init`, answered by a person who makes mistakes."""

import asyncio
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from bot.cli import init
from bot.cli.init.checks import find_token, order_key, plain_region, with_scheme
from bot.cli.init.dialogue import Dialogue, DraftFile, tidy
from bot.demo.local_stack import BUCKET, LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.settings import load
from tests.adapters.oss.test_socks import SocksProxy
from tests.cli.shell import Typed, type_in
from tests.conversations.people import Person
from tests.conversations.test_webhook import free_port

STOP = "Ctrl-C"
QUESTIONS = ("token", "region", "key_id", "key_secret", "bucket", "mode", "admin")
Answer = str | Callable[[], str]


class Typing(Dialogue):
    """A terminal with a person who gives these answers, and then presses Ctrl-C."""

    def __init__(self, answers: Iterator[Answer]) -> None:
        super().__init__()
        self.is_interactive = True
        self._answers = answers
        self.asked: list[str] = []

    def read(self, question: str, *, default: str | None, secret: bool) -> str:
        """Return the next answer; empty ones are the default."""
        del secret
        self.asked.append(question)
        answer = next(self._answers, STOP)
        text = answer if isinstance(answer, str) else answer()
        if text == STOP:
            raise typer.Abort
        return text or default or ""


class Terminal:
    """Runs `init` in a folder without settings, and without answers in variables."""

    def __init__(self, stage: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.stage = stage
        self.path = stage.folder / "made.toml"
        self.draft = stage.folder / "made.toml.part"
        self.asked: list[str] = []
        self.key = (stage.oss.access_key_id, stage.oss.access_key_secret)
        # What is left after this are the addresses of the stand-ins.
        for name in ("TELEGRAM__TOKEN", "OSS__BUCKET", "OSS__REGION", "ACCESS__USERS"):
            stage.more[f"RELAY_{name}"] = ""
        for name in ("ID", "SECRET"):
            stage.more[f"RELAY_OSS__ACCESS_KEY_{name}"] = ""
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            stage.more[name] = stage.more[name.lower()] = ""

    async def init(self, *answers: Answer, more: tuple[str, ...] = ()) -> Typed:
        """Run `init` to its end, with these answers to its questions."""
        dialogue = Typing(iter(answers))
        self._monkeypatch.setattr(init, "Dialogue", lambda: dialogue)
        done = await type_in(self.stage, "init", "--settings", "made.toml", *more)
        self.asked = dialogue.asked
        return done

    def answers(self, **other: str) -> list[str]:
        """Return right answers to all questions, but for `other`."""
        right = (self.stage.telegram.token, "", *self.key, BUCKET, "", "7")
        return [*(dict(zip(QUESTIONS, right, strict=True)) | other).values()]


@pytest.fixture
def terminal(stage: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal between the stand-ins."""
    return Terminal(stage, monkeypatch)


async def test_every_question(terminal: Terminal) -> None:
    """All questions are answered; the draft is gone, and the file is private."""
    done = await terminal.init(*terminal.answers())
    settings = load(terminal.path, {})

    assert (done.code, len(terminal.asked)) == (0, len(QUESTIONS))
    assert (settings.oss.bucket, settings.access.admins) == (BUCKET, (7,))
    assert not terminal.draft.exists()
    assert stat.S_IMODE(terminal.path.stat().st_mode) == 0o600
    assert terminal.key[1] not in done.out + done.err


async def test_pages_are_looked_for(terminal: Terminal) -> None:
    """Page mode asks for the host name, in words for people; an address that leads elsewhere can
    be tried again, put right, or left for later. Stopped before it, `init` goes on there.
    """
    answers, port = terminal.answers(mode="page"), str(free_port())
    stopped = await terminal.init(*answers[:6], more=("--port", port))
    nowhere, here = f"http://127.0.0.1:{free_port()}/", f"http://127.0.0.1:{port}"
    done = await terminal.init(nowhere, "", "<", here, "7", more=("--port", port))
    settings = load(terminal.path, {})

    assert (stopped.code, done.code) == (1, 0)
    assert done.err.count("cannot be reached") == 2
    assert (settings.web.url, settings.web.port) == (here, int(port))


async def test_goes_on_where_it_was_stopped(terminal: Terminal) -> None:
    """After Ctrl-C, and after a Ctrl-C while it goes on, only the rest is asked."""
    answers = terminal.answers()
    stopped = await terminal.init(*answers[:4])
    mode = stat.S_IMODE(terminal.draft.stat().st_mode)
    again = await terminal.init(STOP)
    done = await terminal.init(*answers[4:])

    assert [stopped.code, again.code, done.code] == [1, 1, 0]
    assert ("made.toml.part" in stopped.err, mode) == (True, 0o600)
    assert len(terminal.asked) == 3
    assert not terminal.draft.exists()


async def test_stopped_while_a_stored_answer_is_checked(terminal: Terminal) -> None:
    """Later answers of last time are not lost if one of them fails again."""
    await terminal.init(*terminal.answers()[:5])
    await terminal.stage.telegram.revoke_token()
    await terminal.init(STOP)
    await terminal.stage.telegram.restore_token()
    done = await terminal.init("", "7")

    assert (done.code, len(terminal.asked)) == (0, 2)


async def test_goes_back(terminal: Terminal) -> None:
    """`<` goes back to any question; the answers from before are the defaults."""
    token, region, key_id, secret, *rest = terminal.answers()
    done = await terminal.init(
        "<", token, region, key_id, "<", "<", "oss-cn-hongkong", "", secret, *rest[:1], "<", "",
        "<", "<", "", "", "", rest[2],
    )  # fmt: skip

    assert done.code == 0, done.err
    assert load(terminal.path, {}).oss.region == "cn-hongkong"


async def test_a_wrong_secret(terminal: Terminal) -> None:
    """Either half of a refused key may be wrong, so the first is asked for again."""
    token, region, key_id, secret, *rest = terminal.answers()
    done = await terminal.init(token, region, key_id, "wrong-secret", "", secret, *rest)

    assert (done.code, "SignatureDoesNotMatch" in done.err) == (0, True)
    assert "wrong-secret" not in done.out + done.err


async def test_swapped_key(terminal: Terminal) -> None:
    """Id and secret in the wrong order are put right, and that is said."""
    terminal.stage.oss.add_key("LTAI-right", "its-secret", allow=None, user="1")
    done = await terminal.init(*terminal.answers(key_id="its-secret", key_secret="LTAI-right"))
    settings = load(terminal.path, {})

    assert (done.code, "exchanged" in done.out) == (0, True)
    assert settings.oss.access_key_id is not None
    assert settings.oss.access_key_id.get_secret_value() == "LTAI-right"


async def test_a_key_without_rights(terminal: Terminal) -> None:
    """The policy is shown once, and the question waits until it is attached."""
    oss = terminal.stage.oss
    oss.add_key("LTAI-less", "less-secret", allow=[], user="7")

    def attach() -> str:
        oss.add_key("LTAI-less", "less-secret", allow=["oss:*"], user="7")
        return ""

    token, region, _, _, *rest = terminal.answers()
    done = await terminal.init(
        token, region, "LTAI-less", "less-secret", rest[0], "", attach, *rest[1:]
    )

    assert done.code == 0, done.err
    assert done.out.count('"oss:PutObject"') == 1
    assert "ram.console.aliyun.com/policies" in done.out
    assert done.err.count("may not do that yet") == 2


async def test_a_key_that_may_not_create(terminal: Terminal) -> None:
    """A bucket that the key may not create is not said to be created."""
    oss = terminal.stage.oss
    del oss.buckets[BUCKET]
    oss.add_key("LTAI-less", "less-secret", allow=[], user="7")
    token, region, _, _, *rest = terminal.answers()
    done = await terminal.init(
        token, region, "LTAI-less", "less-secret", rest[0], "y", "s", *rest[1:]
    )

    assert ["has been created" in done.out, "oss:PutBucket" in done.out] == [False, True]
    assert (BUCKET in oss.buckets, terminal.path.exists()) == (False, True)


async def test_n_at_the_admin(terminal: Terminal) -> None:
    """A stranger who has written is refused; the question comes again."""
    stage = terminal.stage
    stranger, admin = Person(stage, "Mallory"), Person(stage, "Alice")
    loop = asyncio.get_running_loop()

    def write(person: Person) -> str:
        asyncio.run_coroutine_threadsafe(person.write("hello"), loop).result()
        return ""

    *rest, _ = terminal.answers()
    done = await terminal.init(
        *rest, "nobody", lambda: write(stranger), "n", lambda: write(admin), "maybe", "yes"
    )

    assert done.code == 0, done.err
    assert "such as 123456789" in done.err
    assert load(terminal.path, {}).access.admins == (admin.id,)


async def test_a_bucket_in_another_region(terminal: Terminal) -> None:
    """The region of the bucket is offered where another one was given."""
    terminal.stage.bucket.region = "cn-beijing"

    def agree() -> str:
        # The stand-in has one address, which is that of its own region.
        terminal.stage.oss.world.region = "cn-beijing"
        return "y"

    done = await terminal.init(*terminal.answers()[:5], "n", BUCKET, agree, STOP)

    assert (done.code, "in cn-beijing" in done.out) == (1, True)
    assert 'region = "cn-beijing"' in terminal.draft.read_text()


async def test_back_from_a_question_within_an_answer(terminal: Terminal) -> None:
    """From "Create it?" and from a proposed admin `<` leads to the question before."""
    alice = Person(terminal.stage)
    await alice.write("hello")
    *rest, _ = terminal.answers()
    await terminal.init(*rest[:4], "no-such-bucket", "<", BUCKET, "", "", "<", "7")
    asked = [question for question in terminal.asked if "Bucket" in question]

    assert len(asked) == 2
    assert load(terminal.path, {}).access.admins == (7,)


async def test_no_folder(terminal: Terminal) -> None:
    """A file that cannot be written is found before the first question."""
    done = await terminal.init("x", more=("--settings", "none/made.toml"))

    assert (done.code, terminal.asked, "No such file" in done.err) == (1, [], True)


async def test_region_before_the_secret(terminal: Terminal) -> None:
    """A region in which nothing answers is found before the key is asked for."""
    stage = terminal.stage
    stage.more["RELAY_OSS__ENDPOINT"] = "http://127.0.0.1:9"
    done = await terminal.init(stage.telegram.token, "cn-hongkon", "", STOP)

    assert (done.code, "did you mean cn-hongkong?" in done.err) == (1, True)
    assert not any("AccessKey" in question for question in terminal.asked)


async def test_a_region_that_the_endpoint_does_not_serve(terminal: Terminal) -> None:
    """A region that comes out as wrong with the key only is asked for again, with the one that
    was meant; the key is not.
    """
    token, _, *rest = terminal.answers()
    done = await terminal.init(token, "CN Hong Kong", *rest[:2], "", *rest[2:])
    asked = [question for question in terminal.asked if "AccessKey" in question]

    assert (done.code, "did you mean cn-hongkong?" in done.err, len(asked)) == (0, True, 2)
    assert load(terminal.path, {}).oss.region == "cn-hongkong"


async def test_a_region_beside_an_endpoint_of_another_one(terminal: Terminal) -> None:
    """An endpoint of OSS tells its region: it is proposed, and another one is refused at once."""
    endpoint = "https://oss-cn-beijing-internal.aliyuncs.com"
    terminal.stage.more["RELAY_OSS__ENDPOINT"] = endpoint
    done = await terminal.init(terminal.stage.telegram.token, "cn-hongkong", STOP)

    assert "(oss-cn-beijing-internal.aliyuncs.com) does not serve" in done.err
    assert "did you mean cn-beijing?" in done.err


async def test_proxy(terminal: Terminal) -> None:
    """Where Telegram cannot be reached a proxy is asked for, used, and written down."""
    stage = terminal.stage
    address = stage.telegram.base_url.removesuffix("/bot").removeprefix("http://")
    stage.more["RELAY_TELEGRAM__BASE_URL"] = "http://127.0.0.1:9"
    token, *rest = terminal.answers()
    # The stand-in is a proxy too: it answers what is asked of it for another host.
    done = await terminal.init(token, "nonsense:proxy:1", address, *rest)
    settings = load(terminal.path, {})

    assert (done.code, "cannot be reached" in done.err) == (0, True), done.err
    assert settings.telegram.proxy is not None
    assert settings.telegram.proxy.get_secret_value() == f"http://{address}"


async def test_socks(terminal: Terminal) -> None:
    """SOCKS proxies are used for every check of their side, and written down."""
    stage = terminal.stage
    telegram, oss = SocksProxy(stage.telegram.port), SocksProxy(stage.oss.port)
    async with telegram.listening() as first, oss.listening() as second:
        urls = (f"socks5://127.0.0.1:{first}", f"socks5h://127.0.0.1:{second}")
        options = ("--proxy", urls[0], "--oss-proxy", urls[1])
        done = await terminal.init(*terminal.answers(), more=options)
    settings = load(terminal.path, {})
    written = [settings.telegram.proxy, settings.oss.proxy]

    assert done.code == 0, done.err
    assert [proxy.get_secret_value() for proxy in written if proxy is not None] == [*urls]
    # Checks of the questions, and those of the doctor.
    assert (len(telegram.asked) >= 2, len(oss.asked) >= 4) == (True, True)


@pytest.mark.parametrize("more", [(), ("--proxy", "http://127.0.0.1:9")])
async def test_proxy_is_used_without_a_terminal(stage: LocalStack, more: tuple[str, ...]) -> None:
    """A proxy from an option or a variable is used for the check."""
    if not more:
        stage.more["RELAY_TELEGRAM__PROXY"] = "http://127.0.0.1:9"
    done = await type_in(stage, "init", "--settings", "made.toml", "--admin", "7", *more)

    assert (done.code, "--proxy" in done.err) == (1, True)


async def test_a_fault_is_no_reason_for_a_proxy(terminal: Terminal) -> None:
    """An error that Telegram itself answers is said, and no proxy is asked for."""
    args: dict[str, str | int | float] = {"status": 502, "code": 502, "description": "Bad Gateway"}
    terminal.stage.telegram.faults.add(Fault("getMe", Effect.ERROR, args=args))
    done = await terminal.init(terminal.stage.telegram.token, *terminal.answers())

    assert done.code == 0, done.err
    assert not any("Proxy" in question for question in terminal.asked)


def test_an_unreadable_draft(tmp_path: Path) -> None:
    """What is no draft counts as none."""
    file = DraftFile(tmp_path / "settings.toml")
    missing = file.read()
    file.path.write_bytes(b"\xff")

    assert (missing, file.read()) == (missing, missing)
    assert missing.token == ""


TOKEN = "123456789:AAE-abcdefghijklmnopqrstuvwxyz_0123"


@pytest.mark.parametrize(
    "pasted",
    [
        TOKEN,
        f"bot{TOKEN}",
        f"Use this token to access the HTTP API: {TOKEN}",
        f"https://api.telegram.org/bot{TOKEN}/getMe",
        f' "{TOKEN}"\u200b ',
        f"\u201c{TOKEN}\u201d",
    ],
)
def test_pasted_token(pasted: str) -> None:
    """A token is found in what BotFather and others write around it."""
    assert find_token(tidy(pasted)) == TOKEN


@pytest.mark.parametrize(
    "written",
    [
        "cn-hongkong",
        "oss-cn-hongkong",
        "OSS-CN-HongKong",
        "oss-cn-hongkong.aliyuncs.com",
        "https://oss-cn-hongkong-internal.aliyuncs.com/",
        "my-bucket.oss-cn-hongkong.aliyuncs.com",
    ],
)
def test_region_as_the_console_writes_it(written: str) -> None:
    """A region is understood in every form in which the console shows it."""
    assert plain_region(written) == "cn-hongkong"


def test_order_of_the_key() -> None:
    """Ids begin with LTAI; other keys are left as they are."""
    assert order_key("secret", "LTAI5t") == ("LTAI5t", "secret")
    assert order_key("LTAI5t", "secret") == ("LTAI5t", "secret")
    assert order_key("id", "secret") == ("id", "secret")


def test_proxies_without_a_scheme() -> None:
    """A proxy as many programs write it is an HTTP proxy."""
    written = ("", "127.0.0.1:7890", "socks5://h:1")

    assert [*map(with_scheme, written)] == ["", "http://127.0.0.1:7890", "socks5://h:1"]
