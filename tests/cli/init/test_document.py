"""The settings file that is made from the answers."""

import stat
import tomllib
from pathlib import Path

import pytest

from bot.cli.common import CommandFailed
from bot.cli.init.checks import Draft
from bot.cli.init.dialogue import example, render, write_settings
from bot.settings import load

DRAFT = Draft(
    token="123456:abcdefghij-klmnopqrst",
    region="cn-shanghai",
    bucket="my-files",
    access_key_id="LTAI-one",
    access_key_secret='se"cret\\two',
    mode="public",
    admins=(7, 8),
)


def test_the_manual_with_answers(tmp_path: Path) -> None:
    """The file has the answers, and still explains everything else."""
    path = tmp_path / "settings.toml"
    text = render(DRAFT.values())
    write_settings(path, text, force=False)
    settings = load(path, {})

    assert (settings.oss.bucket, settings.oss.region) == ("my-files", "cn-shanghai")
    assert settings.oss.access_key_secret is not None
    assert settings.oss.access_key_secret.get_secret_value() == 'se"cret\\two'
    assert (settings.link.mode.value, settings.access.admins, settings.access.users) == (
        "public",
        (7, 8),
        (),
    )
    assert len(text.splitlines()) == len(example().splitlines())


def test_defaults_stay_comments() -> None:
    """Settings that were not answered stay as in the example."""
    answered = tomllib.loads(render(Draft(token="t").values()))

    assert "base_url" not in answered["telegram"]
    assert "mode" not in answered["telegram"]


def test_what_the_example_does_not_show() -> None:
    """A setting without a line in the example is an error."""
    with pytest.raises(LookupError, match=r"oss\.flavour"):
        render({"oss.flavour": "sweet"})


def test_private_and_never_overwritten_unasked(tmp_path: Path) -> None:
    """The file has mode 0600; one that is there is overwritten by force only, and wholly."""
    path = tmp_path / "settings.toml"
    write_settings(path, "one", force=False)
    with pytest.raises(CommandFailed, match="--force"):
        write_settings(path, "two", force=False)
    unforced = path.read_text()
    write_settings(path, "three", force=True)

    assert (unforced, path.read_text()) == ("one", "three")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_no_such_folder(tmp_path: Path) -> None:
    """A file that cannot be written is an error with its reason."""
    with pytest.raises(CommandFailed, match="No such file"):
        write_settings(tmp_path / "none" / "settings.toml", "x", force=False)


def test_secrets_do_not_show() -> None:
    """The representation of a draft has no secret: it may be printed by accident."""
    shown = repr(DRAFT)

    assert ["abcdefghij" in shown, "two" in shown] == [False, False]
