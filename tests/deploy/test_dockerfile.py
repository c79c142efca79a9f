"""The image: every instruction is one, every path exists, and it is what the documents say."""

import re
import shlex
import tomllib
from fnmatch import fnmatch
from importlib.metadata import metadata

import pytest

from bot.settings import load
from tests.deploy.files import ROOT, known_commands, known_variables, read, variables

INSTRUCTIONS = {
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
    *("RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
}


def instructions() -> list[tuple[str, str]]:
    """Return instruction and arguments of each line, continued lines joined, comments left out."""
    text = re.sub(r"(?m)^#.*\n", "", read("Dockerfile"))
    joined = re.sub(r"\\\n\s*", " ", text)
    pairs = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in pairs]


def of(name: str) -> list[str]:
    """Return the arguments of all instructions of a name."""
    return [rest for found, rest in instructions() if found == name]


def context() -> list[str]:
    """Return what `.dockerignore` lets into the build."""
    lines = [line for line in read("Dockerfile.dockerignore").splitlines() if line]
    assert lines[1] == "*"
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


def test_instructions() -> None:
    """Every line is an instruction; it begins with FROM and says what runs."""
    names = [name for name, _ in instructions()]

    assert set(names) <= INSTRUCTIONS
    assert names[0] == "FROM"
    assert names[-2:] == ["ENTRYPOINT", "CMD"]


@pytest.mark.parametrize("rest", of("RUN") + of("COPY"))
def test_shell_parses(rest: str) -> None:
    """Quotes and continuations are in order."""
    assert shlex.split(rest)


def test_copied_paths_exist() -> None:
    """Every path that is copied from the repository exists, and is let into the build."""
    sources = [
        source
        for rest in of("COPY")
        if not rest.startswith("--from=")
        for source in rest.split()[:-1]
    ]

    assert all((ROOT / source).exists() for source in sources)
    assert set(sources) <= set(context())
    assert not any(fnmatch("settings.toml", pattern) for pattern in context())


def test_stages() -> None:
    """Every path that is copied from another stage comes from one that exists, of the
    same Python.
    """
    stages = [rest.split() for rest in of("FROM")]
    named = {words[2] for words in stages if len(words) == 3}
    copied = {rest.split()[0].removeprefix("--from=") for rest in of("COPY") if "--from" in rest}

    assert copied <= named
    assert len({words[0] for words in stages}) == 1


def test_base_is_exact() -> None:
    """The base is named to the last digit, so that a build is the same tomorrow; a digest, where
    there is one, goes with the tag. The project supports its Python.
    """
    image = of("FROM")[0].split()[0]
    found = re.fullmatch(r"(python:3\.([0-9]+)\.[0-9]+-slim-[a-z]+)(@sha256:[0-9a-f]{64})?", image)
    project = tomllib.loads(read("pyproject.toml"))["project"]
    label = labels()["org.opencontainers.image.base.name"]

    assert found is not None
    assert int(found[2]) >= int(project["requires-python"].removeprefix(">=3."))
    assert label == f"docker.io/library/{found[1]}"


def labels() -> dict[str, str]:
    """Return the labels of the image."""
    return dict(word.split("=", 1) for word in shlex.split(of("LABEL")[0]))


def test_labels() -> None:
    """Version and license are those of the project, and of what else is in the image."""
    project = tomllib.loads(read("pyproject.toml"))["project"]

    assert labels()["org.opencontainers.image.version"] == project["version"]
    assert labels()["org.opencontainers.image.licenses"].startswith(project["license"])


def test_notice() -> None:
    """Every package that ships under a license which is not permissive is named with it."""
    licenses = {
        name: metadata(name)["License-Expression"] or metadata(name)["License"] or ""
        for name in re.findall(r"(?m)^([a-z0-9._-]+)==", read("requirements.lock"))
    }
    named = {name: text for name, text in licenses.items() if re.search(r"GPL|MPL|EPL", text)}
    notice, label = read("NOTICE"), labels()["org.opencontainers.image.licenses"]

    of_psycopg = {"psycopg", "psycopg-binary", "psycopg-pool"}
    assert set(named) == {"python-telegram-bot", "certifi", *of_psycopg}
    for name, text in named.items():
        assert name in notice
        assert text in notice
        assert text in label
    assert "deploy/NOTICE" in "\n".join(of("COPY"))


def test_locked() -> None:
    """Packages are installed by hash; the only one without is the wheel that was just built."""
    installs = [
        set(line.split()) for rest in of("RUN") for line in rest.split("&&") if "pip " in line
    ]
    hashed = [words for words in installs if "--require-hashes" in words]

    assert len(hashed) == 2
    assert {"requirements.lock", "--no-deps"} <= hashed[0]
    assert "requirements-dev.lock" in hashed[1]
    assert all({"--no-index", "--no-deps"} <= words for words in installs if words not in hashed)


def test_rootless() -> None:
    """The last user is not root, and a number, so that it need not be looked up."""
    assert of("USER") == ["${UID}:${UID}"]
    assert of("ARG") == ["UID=101"]


def test_variables() -> None:
    """The variables of the image are settings of the bot, with values that it takes, and lose to
    the settings file.
    """
    named = variables(read("Dockerfile"))
    pairs = dict(word.split("=", 1) for word in shlex.split(of("ENV")[0]))
    needed = {
        "RELAY_TELEGRAM__TOKEN": "1:AAAAAAAAAAAAAAAAAAAA",
        "RELAY_OSS__BUCKET": "bucket",
        "RELAY_OSS__ACCESS_KEY_ID": "id-of-key",
        "RELAY_OSS__ACCESS_KEY_SECRET": "secret",
    }
    settings = load(None, needed | {name: pairs[name] for name in named})

    assert named <= known_variables()
    assert all(name.startswith("RELAY_DEFAULT__") for name in named)
    assert settings.web.port == 8080


def test_what_runs() -> None:
    """The image runs a command of the program with options that it has, by its own scripts."""
    command = re.findall(r'"([^"]+)"', of("CMD")[0])
    scripts = re.findall(r'"(/[^"]+)"', of("ENTRYPOINT")[0] + of("HEALTHCHECK")[0])
    *sources, target = next(rest for rest in of("COPY") if "entrypoint" in rest).split()

    assert sorted(scripts) == [target + source.removeprefix("deploy/") for source in sources]
    assert {word for word in command[1:] if word.startswith("--")} <= known_commands()[command[0]]
