"""`settings.example.toml` is the manual of every setting, and true."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from bot.cli.init.dialogue import DraftFile
from bot.settings import Settings, SettingsError, load
from bot.settings.problems import walk

MANUAL = Path(__file__).parents[1] / "settings.example.toml"
CHINESE = MANUAL.with_name("settings.example.zh-Hans.toml")
"""The twin with Chinese comments."""
KEYS = {
    "oss.role_name": "ecs_ram_role",
    "oss.profile": "profile",
    "oss.token_expires_at": "environment",
}
"""Settings that go with one kind of `oss.credentials`."""
FILLED = {
    "RELAY_TELEGRAM__TOKEN": "123456789:AAE-invented_token_of_a_bot",
    "RELAY_OSS__BUCKET": "bucket-of-mine",
    "RELAY_OSS__ACCESS_KEY_ID": "LTAIinvented",
    "RELAY_OSS__ACCESS_KEY_SECRET": "invented-secret-half",
}
"""What an operator writes in place of the placeholders."""
SDK_KEY = {"OSS_ACCESS_KEY_ID": "LTAI", "OSS_ACCESS_KEY_SECRET": "the-secret"}
SECTION = re.compile(r"\[(\w+)\]")
LINE = re.compile(r"(?P<mark>#|# e\.g\. |)(?P<key>\w+) = (?P<value>.+)")


def entries(manual: Path = MANUAL) -> list[tuple[str, str, str]]:
    """Return (mark, dotted key, line of TOML) for every setting in the manual, in its order."""
    found = []
    section = ""
    for line in manual.read_text(encoding="utf-8").splitlines():
        if match := SECTION.fullmatch(line):
            section = match[1]
        # The examples of how to read the manual stand above the first section.
        elif section and (match := LINE.fullmatch(line)):
            toml = f"[{section}]\n{match['key']} = {match['value']}\n"
            found.append((match["mark"], f"{section}.{match['key']}", toml))
    return found


def value_of(settings: Settings, key: str) -> object:
    """Return the value behind a dotted key."""
    section, _, name = key.partition(".")
    return getattr(getattr(settings, section), name)


def with_line(toml: str, key: str, folder: Path) -> Settings:
    """Load the manual with one more line in force."""
    section, _, name = key.partition(".")
    data = tomllib.loads(MANUAL.read_text(encoding="utf-8"))
    environ = {
        f"RELAY_{s.upper()}__{k.upper()}": str(v)
        for s, keys in data.items()
        for k, v in keys.items()
        if (s, k) not in {(section, name), ("access", "users")}
    } | FILLED
    if key in {"telegram.file_root", "telegram.path_map"}:
        environ["RELAY_TELEGRAM__MODE"] = "local"
    if key == "telegram.path_map":
        environ["RELAY_TELEGRAM__FILE_ROOT"] = "/srv/telegram-bot-api"
    if key in {"telegram.webhook_url", "web.url"}:
        environ["RELAY_WEB__PORT"] = "8080"
    if key in KEYS:
        environ = {name: value for name, value in environ.items() if "ACCESS_KEY" not in name}
        environ |= SDK_KEY | {"RELAY_OSS__CREDENTIALS": KEYS[key]}
    path = folder / "settings.toml"
    path.write_text(toml, encoding="utf-8")
    return load(path, environ)


def test_loads() -> None:
    """The manual with its placeholders replaced is a file that the bot accepts, and that gives no
    stranger access.
    """
    settings = load(MANUAL, FILLED)

    assert settings.oss.bucket == "bucket-of-mine"
    assert settings.access.everybody == frozenset()


def test_untouched() -> None:
    """Every placeholder that is still there is refused by its name."""
    with pytest.raises(SettingsError) as caught:
        load(MANUAL, {})

    assert [problem.partition(": is still the ")[0] for problem in caught.value.problems] == [
        "telegram.token",
        "oss.bucket",
        "oss.access_key_id",
        "oss.access_key_secret",
    ]


def test_every_setting_once() -> None:
    """Every setting of the code stands in it exactly once, and nothing else does."""
    assert sorted(key for key, _ in walk(Settings)) == sorted(key for _, key, _ in entries())


def test_required_and_only_those_are_in_force() -> None:
    """What must be filled in is not commented out; the user ids are, in all but name, required."""
    in_force = {key for mark, key, _ in entries() if not mark}
    required = {key for key, info in walk(Settings) if info.is_required()}

    expected = required | {"oss.access_key_id", "oss.access_key_secret", "access.users"}
    assert expected == in_force


@pytest.mark.parametrize(
    ("key", "toml"), [(key, toml) for mark, key, toml in entries() if mark == "#"]
)
def test_default(key: str, toml: str, tmp_path: Path) -> None:
    """A line that is commented out shows the default of the code."""
    default = value_of(load(MANUAL, FILLED), key)
    written = value_of(with_line(toml, key, tmp_path), key)

    if isinstance(default, Path):
        assert default.relative_to(MANUAL.parent) == written.relative_to(tmp_path)  # type: ignore[attr-defined]  # both are paths.
    else:
        assert default == written


@pytest.mark.parametrize(
    ("key", "toml"), [(key, toml) for mark, key, toml in entries() if mark == "# e.g. "]
)
def test_example(key: str, toml: str, tmp_path: Path) -> None:
    """An example belongs to a setting without a default, and would be accepted."""
    assert not value_of(load(MANUAL, FILLED), key)

    assert value_of(with_line(toml, key, tmp_path), key)


def comments(manual: Path) -> list[int]:
    """Return where comments stand: after how many entries each block of them begins."""
    blocks, seen, was_comment = [], 0, False
    for line in manual.read_text(encoding="utf-8").splitlines():
        is_entry = LINE.fullmatch(line) is not None or SECTION.fullmatch(line) is not None
        is_comment = line.startswith("# ") and not is_entry
        if is_comment and not was_comment:
            blocks.append(seen)
        seen, was_comment = seen + is_entry, is_comment
    return blocks


def test_chinese_twin() -> None:
    """The twin has the same settings in the same order, with the same values, each explained."""
    assert entries(CHINESE) == entries()
    assert comments(CHINESE) == comments(MANUAL)


def test_chinese_comments() -> None:
    """Every explanation of the twin is in Chinese."""
    lines = CHINESE.read_text(encoding="utf-8").splitlines()
    blocks = "\n".join(line if line.startswith("# ") else "" for line in lines).split("\n\n")
    explained = [block for block in blocks if block.strip() and "# e.g. " not in block]

    assert [block for block in explained if not re.search(r"[\u4e00-\u9fff]", block)] == []


def test_git_ignores_what_the_bot_writes(tmp_path: Path) -> None:
    """Settings, answers of `init`, ledger, spool, backups and the data of the stand-ins are never
    committed where a checkout is the folder of the settings; the examples are.
    """
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(MANUAL.with_name(".gitignore"), tmp_path)
    settings = load(None, FILLED)
    ledger = settings.ledger.path.name
    kept = [MANUAL.name, CHINESE.name, "bot/sandbox/run.py", "bot/transfer/spool.py"]
    written = [
        *("settings.toml", str(DraftFile(Path("settings.toml")).path), "deploy/settings.toml"),
        *(
            f"{ledger}{more}"
            for more in ("", "-wal", "-shm", ".lock", ".replaced-20260101T000000Z")
        ),
        *(f"{settings.spool.folder.name}/1.part", "sandbox/oss/key", "deploy/bot-api.env"),
        *("relay-20260101T044000Z.sqlite3", "backups/mine.sqlite3"),
    ]
    command = ["git", "-C", str(tmp_path), "check-ignore", *written, *kept]
    ignored = subprocess.run(command, capture_output=True, text=True, check=False).stdout

    assert ignored.splitlines() == written
