"""The image: every instruction is one, every path exists, and it is what the documents say."""

import re
import shlex
import tomllib
from fnmatch import fnmatch

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


def test_python_is_supported() -> None:
    """The image has a Python that the project supports, and the lock file was made for."""
    image = of("FROM")[0].split()[0]
    minor = re.fullmatch(r"python:3\.([0-9]+)-slim-bookworm", image)
    project = tomllib.loads(read("pyproject.toml"))["project"]

    assert minor is not None
    assert f">=3.{minor[1]}" == project["requires-python"]


def test_locked() -> None:
    """Packages are installed by hash, without anything that the lock file does not name."""
    (install,) = [rest for rest in of("RUN") if "pip install" in rest]

    assert {"--require-hashes", "--no-deps", "/tmp/requirements.lock"} <= set(install.split())  # noqa: S108 -- in the image.


def test_rootless() -> None:
    """The last user is not root, and a number, so that it need not be looked up."""
    assert of("USER") == ["${UID}:${UID}"]
    assert of("ARG") == ["UID=101"]


def test_variables() -> None:
    """The variables of the image are settings of the bot, with values that it takes."""
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
    assert settings.web.port == 8080


def test_health_check() -> None:
    """The health check asks for the liveness page, at the port of the image."""
    (check,) = of("HEALTHCHECK")

    assert "http://127.0.0.1:8080/healthz" in check
    compile(check.split('"')[5], "HEALTHCHECK", "exec")


def test_what_runs() -> None:
    """The image runs a command of the program, with options that it has."""
    command = re.findall(r'"([^"]+)"', of("ENTRYPOINT")[0] + of("CMD")[0])

    assert command[0] == "relay-bot"
    assert {word for word in command[2:] if word.startswith("--")} <= known_commands()[command[1]]
