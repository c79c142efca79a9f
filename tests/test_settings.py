"""Loading the settings: what comes from where, and every mistake in one line that names its
key.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.core.files import LinkMode
from bot.settings import Settings, SettingsError, TelegramMode, load, warnings
from bot.settings.problems import allowed_of, walk

TOKEN = "123456789:AAE-invented_token_of_a_bot_0123456"
MINIMAL = {
    "RELAY_TELEGRAM__TOKEN": TOKEN,
    "RELAY_OSS__BUCKET": "my-bucket",
    "RELAY_OSS__ACCESS_KEY_ID": "LTAIinvented",
    "RELAY_OSS__ACCESS_KEY_SECRET": "invented-secret-half",
}


def problems_of(toml: str, folder: Path, environ: dict[str, str] | None = None) -> list[str]:
    """Return what is wrong with a file, with the minimal variables over it."""
    path = folder / "settings.toml"
    path.write_text(toml, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(path, MINIMAL if environ is None else environ)
    return caught.value.problems


def test_defaults() -> None:
    """Four values are enough; the rest has the documented defaults."""
    settings = load(None, MINIMAL)

    assert settings.telegram.token.get_secret_value() == TOKEN
    assert settings.telegram.bot_id == 123456789
    assert settings.telegram.limit == 20_971_520
    assert settings.oss.endpoint == "https://oss-cn-hongkong.aliyuncs.com"
    assert settings.oss.credentials == "access_key"
    assert settings.link.mode is LinkMode.SIGNED
    assert settings.link.lifetime == timedelta(hours=23, minutes=55)
    assert settings.transfer.minimum_rate == 8192
    assert settings.stop.grace == timedelta(seconds=20)


def test_endpoint_follows_region() -> None:
    """Without an endpoint of its own the region says where the bucket is."""
    settings = load(None, MINIMAL | {"RELAY_OSS__REGION": "ap-southeast-1"})

    assert settings.oss.endpoint == "https://oss-ap-southeast-1.aliyuncs.com"


def test_variables_win(tmp_path: Path) -> None:
    """A variable beats the file, and leaves the other keys of its section alone."""
    path = tmp_path / "settings.toml"
    path.write_text('[transfer]\nat_once = 3\nper_owner = 1\n[log]\nlevel = "error"\n')

    settings = load(path, MINIMAL | {"RELAY_TRANSFER__AT_ONCE": "5"})

    assert (
        settings.transfer.at_once,
        settings.transfer.per_owner,
        settings.log.level,
    ) == (5, 1, "error")


def test_beaten_values_are_said(tmp_path: Path) -> None:
    """A variable that replaces a value of the file by another one is named, and no value is."""
    path, secret = tmp_path / "settings.toml", tmp_path / "secret"
    path.write_text(
        f'[telegram]\ntoken = "{TOKEN}"\n[oss]\nbucket = "of-the-file"\n'
        'access_key_secret = "of-the-file"\naccess_key_id = "replace-me-by-the-id"\n'
        "path_style = false\n[access]\nusers = [1, 2]\nadmins = [3]\n",
        encoding="utf-8",
    )
    path.chmod(0o600)
    secret.write_text("of-another-file\n")
    environ = MINIMAL | {
        "RELAY_ACCESS__USERS": "1,  2",
        "RELAY_ACCESS__ADMINS": "3,4",
        "RELAY_OSS__PATH_STYLE": "false",
        "RELAY_OSS__ACCESS_KEY_SECRET": "",
        "RELAY_OSS__ACCESS_KEY_SECRET_FILE": str(secret),
        "RELAY_DEFAULT__OSS__REGION": "cn-beijing",
    }
    found = warnings(load(path, environ), path, environ)

    assert [line.partition(" is set")[0] for line in found] == [
        "access.admins: RELAY_ACCESS__ADMINS",
        "oss.access_key_secret: RELAY_OSS__ACCESS_KEY_SECRET_FILE",
        "oss.bucket: RELAY_OSS__BUCKET",
    ]
    assert not any("of-the-file" in line or "my-bucket" in line for line in found)
    assert warnings(load(path, environ), path) == []


def test_defaults_from_variables_lose(tmp_path: Path) -> None:
    """A default of the image yields to the file, and to a variable of the same setting."""
    path = tmp_path / "settings.toml"
    path.write_text('[web]\nport = 9000\n[link]\nmode = "public"\n', encoding="utf-8")
    image = {
        "RELAY_DEFAULT__WEB__PORT": "8080",
        "RELAY_DEFAULT__LEDGER__PATH": "/data/relay.sqlite3",
        "RELAY_DEFAULT__LINK__MODE": "signed",
        "RELAY_DEFAULT__LINK__LIFETIME": "",
    }
    alone = load(None, MINIMAL | image)
    beside = load(path, MINIMAL | image | {"RELAY_LEDGER__PATH": "/mine.sqlite3"})

    assert (alone.web.port, alone.ledger.path) == (8080, Path("/data/relay.sqlite3"))
    assert (beside.web.port, beside.ledger.path) == (9000, Path("/mine.sqlite3"))
    assert beside.link.mode is LinkMode.PUBLIC


def test_mistake_in_a_default(tmp_path: Path) -> None:
    """The variable is named where its value counts, and not where the file's does."""
    bad = {"RELAY_DEFAULT__WEB__PORT": "http", "RELAY_DEFAULT__WEB": "1"}
    found = problems_of("", tmp_path, MINIMAL | bad)
    in_file = problems_of("[web]\nport = 'x'\n", tmp_path, MINIMAL | bad)

    assert [line for line in found if "(set by RELAY_DEFAULT__WEB__PORT)" in line]
    assert [line for line in found if line.startswith("RELAY_DEFAULT__WEB: names no setting")]
    assert not [line for line in in_file if "(set by" in line]


def test_own_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the mapping that is handed over counts, never the process's own variables."""
    monkeypatch.setenv("RELAY_LOG__LEVEL", "error")
    monkeypatch.setenv("LOG", '{"level": "error"}')

    assert load(None, MINIMAL).log.level == "info"


def test_lists_from_variables() -> None:
    """A list in a variable is separated by commas."""
    settings = load(None, MINIMAL | {"RELAY_ACCESS__USERS": "7, 8", "RELAY_ACCESS__ADMINS": "9"})

    assert frozenset({7, 8, 9}) == settings.access.everybody
    assert settings.access.admins == (9,)


def test_empty_variable_is_not_set() -> None:
    """An empty variable counts as not set: Compose files hand on such ones."""
    assert load(None, MINIMAL | {"RELAY_TELEGRAM__PROXY": ""}).telegram.proxy is None


def test_secret_from_file(tmp_path: Path) -> None:
    """A secret may come from a file; the line end of the editor does not belong to it."""
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n")
    environ = {k: v for k, v in MINIMAL.items() if k != "RELAY_TELEGRAM__TOKEN"}

    settings = load(None, environ | {"RELAY_TELEGRAM__TOKEN_FILE": str(secret)})

    assert settings.telegram.token.get_secret_value() == TOKEN


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00", b"x" * 70_000])
def test_bad_secret_file(tmp_path: Path, content: bytes) -> None:
    """An empty, binary or huge file is no secret; its content is not repeated."""
    secret = tmp_path / "secret"
    secret.write_bytes(content)

    (problem,) = problems_of("", tmp_path, MINIMAL | {"RELAY_OSS__PROXY_FILE": str(secret)})

    assert problem.startswith(f"RELAY_OSS__PROXY_FILE: {secret} ")


def test_missing_secret_file(tmp_path: Path) -> None:
    """A file that is not there is named with the variable that asks for it."""
    problems = problems_of("", tmp_path, MINIMAL | {"RELAY_OSS__PROXY_FILE": "/nowhere/x"})

    assert problems == ["RELAY_OSS__PROXY_FILE: cannot read /nowhere/x: No such file or directory"]


def test_secret_twice(tmp_path: Path) -> None:
    """A secret that comes from a variable and from a file is a contradiction."""
    problems = problems_of("", tmp_path, MINIMAL | {"RELAY_TELEGRAM__TOKEN_FILE": "/dev/null"})

    assert len(problems) == 1
    assert "RELAY_TELEGRAM__TOKEN_FILE" in problems[0]


def test_paths_start_at_file(tmp_path: Path) -> None:
    """Relative paths start at the folder of the file; absolute ones stay."""
    path = tmp_path / "settings.toml"
    path.write_text('[ledger]\npath = "/var/lib/relay/ledger.sqlite3"\n')

    settings = load(path, MINIMAL)

    assert tmp_path / "spool" == settings.spool.folder
    assert Path("/var/lib/relay/ledger.sqlite3") == settings.ledger.path


def test_paths_without_file() -> None:
    """Without a file relative paths start at the working folder."""
    assert Path.cwd() / "spool" == load(None, MINIMAL).spool.folder


def test_nothing_given() -> None:
    """Without anything the required keys are named, each in a line."""
    with pytest.raises(SettingsError) as caught:
        load(None, {})

    assert [p.partition(":")[0] for p in caught.value.problems] == ["telegram.token", "oss.bucket"]


def test_no_key_anywhere() -> None:
    """Without an access key in the settings the SDK's variables must be there."""
    environ = {k: v for k, v in MINIMAL.items() if "ACCESS_KEY" not in k}
    with pytest.raises(SettingsError) as caught:
        load(None, environ | {"OSS_ACCESS_KEY_ID": "LTAIinvented"})

    assert caught.value.problems == [
        "oss.access_key_secret: is missing, and OSS_ACCESS_KEY_SECRET is not set either"
    ]


def test_key_from_environment() -> None:
    """The SDK's own variables are enough."""
    environ = {k: v for k, v in MINIMAL.items() if "ACCESS_KEY" not in k}
    settings = load(None, environ | {"OSS_ACCESS_KEY_ID": "a", "OSS_ACCESS_KEY_SECRET": "b"})

    assert settings.oss.credentials == "environment"


@pytest.mark.parametrize(
    ("section", "line", "named"),
    [
        ("link", 'lifetime = "0s"', "link.lifetime"),
        ("link", 'lifetime = "0.9s"', "link.lifetime"),
        ("link", 'lifetime = "24h1s"', "link.lifetime"),
        ("link", "lifetime = 3600", "link.lifetime"),
        ("link", 'mode = "secret"', "link.mode"),
        ("link", 'domain = "http://files.example.com"', "link.domain"),
        ("link", 'domain = "https://files.example.com/x"', "link.domain"),
        ("oss", 'region = "oss_cn"', "oss.region"),
        ("oss", 'endpoint = "http://oss-cn-hongkong.aliyuncs.com"', "oss.endpoint"),
        ("oss", 'upload_endpoint = "ftp://x"', "oss.upload_endpoint"),
        ("oss", 'endpoint = "https://my-bucket.oss-cn-hongkong.aliyuncs.com"', "oss.endpoint"),
        ("oss", 'endpoint = "https://oss..aliyuncs.com"', "oss.endpoint"),
        ("oss", 'endpoint = "https://127.0.0.1.1:9000"', "oss.endpoint"),
        ("oss", 'endpoint = "https://oss.example.com:0"', "oss.endpoint"),
        ("oss", 'upload_endpoint = "my-bucket.oss-cn-x.aliyuncs.com"', "oss.upload_endpoint"),
        ("oss", 'proxy = "proxy:3128"', "oss.proxy"),
        ("oss", 'proxy = "http://pro xy:3128"', "oss.proxy"),
        ("oss", 'proxy = "http://127.0.0.1:0"', "oss.proxy"),
        ("oss", f'proxy = "http://{"x" * 64}.example:1"', "oss.proxy"),
        ("oss", 'proxy = "http://127.0.0.1"', "oss.proxy"),
        ("oss", 'path_style = "perhaps"', "oss.path_style"),
        ("telegram", 'base_url = "http://api.telegram.org"', "telegram.base_url"),
        ("telegram", 'base_url = "https://me:pw@api.telegram.org"', "telegram.base_url"),
        ("telegram", 'base_url = "https://api.telegram.org:port"', "telegram.base_url"),
        ("telegram", 'mode = "locale"', "telegram.mode"),
        ("telegram", 'mode = "local"', "telegram.file_root"),
        ("telegram", 'mode = "local"\nfile_root = "files"', "telegram.file_root"),
        ("telegram", 'file_root = "/srv"', "telegram.file_root"),
        ("telegram", 'path_map = { "/a" = "/b" }', "telegram.path_map"),
        ("telegram", 'mode="local"\nfile_root="/f"\npath_map={ a="/b" }', "telegram.path_map"),
        ("telegram", 'limit = "21MiB"', "telegram.limit"),
        ("transfer", "connections = 0", "transfer.connections"),
        ("transfer", "connections = true", "transfer.connections"),
        ("transfer", "connections_per_file = 33", "transfer.connections"),
        ("transfer", "per_owner = 5", "transfer.per_owner"),
        ("transfer", 'minimum_rate = "0"', "transfer.minimum_rate"),
        ("spool", 'quota = "many"', "spool.quota"),
        ("spool", 'keep_free = "-1"', "spool.keep_free"),
        ("access", "users = [0]", "access.users"),
        ("access", 'users = ["alice"]', "access.users"),
        ("log", 'level = "loud"', "log.level"),
        ("log", 'format = "xml"', "log.format"),
        ("stop", 'grace = "11m"', "stop.grace"),
        ("stop", 'grase = "11s"', "stop.grase"),
        ("nothing", "x = 1", "nothing"),
    ],
)
def test_mistake(tmp_path: Path, section: str, line: str, named: str) -> None:
    """Each mistake is one line that names the key as it is written in the file."""
    (problem,) = problems_of(f"[{section}]\n{line}\n", tmp_path)

    assert named == problem.partition(":")[0]
    assert "\n" not in problem


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """All mistakes of a file are reported together, contradictions included."""
    toml = """
        [telegram]
        mode = "remote"
        [oss]
        region = 3
        path_style = true
        access_keyid = "x"
        [transfer]
        connections = 4
        per_owner = 9
    """

    problems = problems_of(toml, tmp_path, MINIMAL | {"RELAY_STOP__GRACE": "never"})

    assert [p.partition(":")[0] for p in problems] == [
        "telegram.mode",
        "oss.region",
        "oss.access_keyid",
        "transfer.connections",
        "transfer.per_owner",
        "stop.grace",
    ]
    assert "did you mean oss.access_key_id?" in problems[2]
    assert problems[-1].endswith("(set by RELAY_STOP__GRACE)")


def test_domain_with_path_style(tmp_path: Path) -> None:
    """A bound domain already names the bucket, so a path that names it too is a contradiction."""
    toml = '[oss]\npath_style = true\n[link]\ndomain = "https://files.example.com"\n'

    (problem,) = problems_of(toml, tmp_path)

    assert problem.startswith("link.domain: ")


def test_half_a_key(tmp_path: Path) -> None:
    """One half of an access key is a contradiction."""
    environ = {k: v for k, v in MINIMAL.items() if k != "RELAY_OSS__ACCESS_KEY_SECRET"}

    (problem,) = problems_of("", tmp_path, environ)

    assert problem.startswith("oss.access_key_secret: ")


@pytest.mark.parametrize("name", ["RELAY_OSS__BUKET", "RELAY_BUCKET", "RELAY_OSS__BUCKET_FILE"])
def test_unknown_variable(tmp_path: Path, name: str) -> None:
    """An unknown variable is named, because it was meant to do something."""
    (problem,) = problems_of("", tmp_path, MINIMAL | {name: "x"})

    assert name in problem


@pytest.mark.parametrize("content", [b"[telegram\n", b"a = \xff\n", b"token = nothing\n"])
def test_unreadable_file(tmp_path: Path, content: bytes) -> None:
    """A file that is no TOML is one line that names the file."""
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load(path, MINIMAL)

    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: ")


def test_missing_file(tmp_path: Path) -> None:
    """A missing file is an error, not a start with defaults."""
    with pytest.raises(SettingsError, match="there is no such file"):
        load(tmp_path / "settings.toml", MINIMAL)


def test_section_is_no_table(tmp_path: Path) -> None:
    """A value where a section belongs is named as such."""
    (problem,) = problems_of('log = "debug"\n', tmp_path)

    assert problem == "log: must be a table of settings, [log]"


@pytest.mark.parametrize("key", ["token", "proxy"])
def test_bad_secrets_stay_hidden(tmp_path: Path, key: str) -> None:
    """A message about a secret does not repeat it, nor does its traceback."""
    name = f"RELAY_TELEGRAM__{key.upper()}"
    path = tmp_path / "settings.toml"
    path.write_text("")
    with pytest.raises(SettingsError) as caught:
        load(path, MINIMAL | {name: "hunter2 with blanks"})

    assert "hunter2" not in str(caught.value)
    assert f"telegram.{key}: this value is not allowed" in str(caught.value)


def test_passwords_in_urls_stay_hidden(tmp_path: Path) -> None:
    """A password in a URL that must not have one is not repeated either."""
    (problem,) = problems_of('[oss]\nendpoint = "https://me:hunter2@x"\n', tmp_path)

    assert "hunter2" not in problem


def test_secrets_stay_hidden() -> None:
    """No secret shows in `repr` or `str` of the settings."""
    settings = load(None, MINIMAL | {"RELAY_OSS__PROXY": "http://me:hunter2@127.0.0.1:3128"})

    for text in (repr(settings), str(settings), settings.model_dump_json()):
        for secret in (TOKEN, "invented-secret-half", "LTAIinvented", "hunter2"):
            assert secret not in text


def test_frozen() -> None:
    """Settings never change while the bot runs."""
    settings = load(None, MINIMAL)

    with pytest.raises(ValueError, match="frozen"):
        settings.link.lifetime = timedelta(1)


def test_every_setting_says_what_it_may_be() -> None:
    """The words for a message about it stand beside each setting's type."""
    for key, info in walk(Settings):
        assert allowed_of(info).text, key


def test_local_mode(tmp_path: Path) -> None:
    """A server of one's own may speak http, and hands out 4 GiB unless told otherwise."""
    path = tmp_path / "settings.toml"
    path.write_text(
        '[telegram]\nmode = "local"\nbase_url = "http://bot-api:8081/"\nfile_root = "/srv/tg"\n'
        'path_map = { "/var/lib/telegram-bot-api" = "/srv/tg" }\n'
    )

    telegram = load(path, MINIMAL).telegram

    assert telegram.mode is TelegramMode.LOCAL
    assert telegram.base_url == "http://bot-api:8081"
    assert telegram.path_map == {"/var/lib/telegram-bot-api": Path("/srv/tg")}
    assert telegram.limit == 4 << 30


def test_path_map_from_variable() -> None:
    """A table in a variable is pairs, separated by commas."""
    environ = MINIMAL | {
        "RELAY_TELEGRAM__MODE": "local",
        "RELAY_TELEGRAM__FILE_ROOT": "/srv/tg",
        "RELAY_TELEGRAM__PATH_MAP": "/a=/b, /c=/d",
    }

    assert load(None, environ).telegram.path_map == {"/a": Path("/b"), "/c": Path("/d")}


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, ["access.users"]),
        ({"RELAY_ACCESS__ADMINS": "1"}, []),
        ({"RELAY_ACCESS__USERS": "1", "RELAY_LINK__MODE": "public"}, ["link.mode"]),
        ({"RELAY_ACCESS__USERS": "1", "RELAY_SPOOL__QUOTA": "10MiB"}, ["spool.quota"]),
        ({"RELAY_ACCESS__USERS": "1", "RELAY_LOG__LEVEL": "debug"}, ["log.level"]),
        (
            {
                "RELAY_ACCESS__USERS": "1",
                "RELAY_TELEGRAM__MODE": "local",
                "RELAY_TELEGRAM__FILE_ROOT": "/f",
                "RELAY_TELEGRAM__BASE_URL": "http://bot-api:8081",
                "RELAY_SPOOL__QUOTA": "10MiB",
            },
            ["telegram.base_url"],
        ),
    ],
)
def test_warnings(environ: dict[str, str], named: list[str]) -> None:
    """A setting that is allowed but perhaps not meant is a warning that names its key."""
    found = warnings(load(None, MINIMAL | environ))

    assert named == [line.partition(":")[0] for line in found]
