"""Making a settings file without an operator to ask."""

import pytest

from bot.core.files import LinkMode
from bot.demo.local_stack import BUCKET, LocalStack
from bot.settings import load
from tests.cli.shell import type_in
from tests.conversations.test_webhook import free_port

WORDS = ("init", "--settings", "made.toml", "--admin", "7")


async def test_everything_given(stage: LocalStack) -> None:
    """Each answer comes from a variable or an option; the file holds them, the doctor
    has looked.
    """
    done = await type_in(stage, *WORDS)
    settings = load(stage.folder / "made.toml", {})

    assert (done.code, settings.access.admins, settings.oss.bucket) == (0, (7,), BUCKET)
    assert ["doctor: warning" in done.out, "send a file to @relay_sandbox_bot" in done.out] == [
        True,
        True,
    ]
    assert stage.oss.access_key_secret not in done.out + done.err


async def test_pages(stage: LocalStack) -> None:
    """The mode with pages has a host name and a port; where it does not lead here yet, that is
    said, and the file is written.
    """
    port = str(free_port())
    stage.more |= {"RELAY_LINK__MODE": "page", "RELAY_WEB__URL": f"http://127.0.0.1:{port}"}
    stage.more["RELAY_WEB__PORT"] = port
    here = await type_in(stage, *WORDS)
    settings = load(stage.folder / "made.toml", {})
    stage.more["RELAY_WEB__URL"] = f"http://127.0.0.1:{free_port()}"
    nowhere = await type_in(stage, *WORDS, "--force")

    assert (settings.link.mode, settings.web.port) == (LinkMode.PAGE, int(port))
    assert ("it leads here" in here.out, here.code) == (True, 0)
    assert "127.0.0.1 cannot be reached" in nowhere.err
    assert load(stage.folder / "made.toml", {}).web.url == stage.more["RELAY_WEB__URL"]


async def test_creates_the_bucket(stage: LocalStack) -> None:
    """A missing bucket is created when that was agreed to, and set up at once."""
    del stage.oss.buckets[BUCKET]
    done = await type_in(stage, *WORDS, "--create")

    assert (done.code, BUCKET in stage.oss.buckets) == (0, True)
    assert "doctor: ok" in done.out


async def test_not_overwritten(stage: LocalStack) -> None:
    """A file that is there stays, before anything is asked; by force it goes."""
    (stage.folder / "made.toml").write_text("mine")
    refused = await type_in(stage, *WORDS)
    forced = await type_in(stage, *WORDS, "--force")

    assert (refused.code, "--force" in refused.err, forced.code) == (1, True, 0)
    assert load(stage.folder / "made.toml", {}).oss.bucket == BUCKET


@pytest.mark.parametrize(
    ("variable", "value", "code", "words"),
    [
        ("RELAY_TELEGRAM__TOKEN", "", 2, "--token is needed"),
        ("RELAY_TELEGRAM__TOKEN", "nonsense", 1, "telegram.token"),
        ("RELAY_TELEGRAM__TOKEN", "9:nobody-knows-this-one", 1, "BotFather"),
        ("RELAY_OSS__ACCESS_KEY_SECRET", "wrong-secret", 1, "SignatureDoesNotMatch"),
        ("RELAY_OSS__REGION", "Hong Kong", 1, "did you mean cn-hongkong?"),
        ("RELAY_OSS__REGION", "cn-hong-kong", 1, "does not serve the region cn-hong-kong; did"),
        ("RELAY_OSS__ACCESS_KEY_ID", "", 2, "--access-key-id is needed"),
        ("RELAY_OSS__BUCKET", "", 2, "--bucket is needed"),
        ("RELAY_OSS__BUCKET", "No Bucket", 1, "oss.bucket"),
        ("RELAY_LINK__MODE", "secret", 1, "signed, public or page"),
    ],
)
async def test_bad_answers(
    stage: LocalStack, variable: str, value: str, code: int, words: str
) -> None:
    """A wrong answer is found where it is given, and no file is written."""
    stage.more[variable] = value
    done = await type_in(stage, *WORDS)

    assert (done.code, words in done.err) == (code, True)
    assert not (stage.folder / "made.toml").exists()
    assert not value or "secret" not in variable.lower() or value not in done.err


async def test_a_bucket_elsewhere(stage: LocalStack) -> None:
    """A bucket of another region is named with its own."""
    stage.bucket.region = "cn-beijing"
    done = await type_in(stage, *WORDS)

    assert (done.code, "oss-cn-beijing" in done.err) == (1, True)


async def test_nobody_to_ask_for_the_admin(stage: LocalStack) -> None:
    """Without a terminal the admin must be named."""
    done = await type_in(stage, *WORDS[:3])

    assert (done.code, "--admin" in done.err) == (1, True)
