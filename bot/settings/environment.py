"""Settings from variables: `RELAY_OSS__BUCKET` is `oss.bucket`, and a secret may come from the
file that `RELAY_…_FILE` names.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PREFIX: Final = "RELAY_"
FILE_SUFFIX: Final = "_FILE"

LARGEST_SECRET: Final = 64 << 10
"""Bytes of a secret's file; whoever names a disk image by mistake is told so."""


@dataclass
class Environment:
    """What the variables say: `values` by section and key, `origins` the variable behind each
    dotted key, `problems` one line each.
    """

    values: dict[str, dict[str, object]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_environment(environ: Mapping[str, str], secrets: Set[str]) -> Environment:
    """Read every variable that begins with `RELAY_`; empty ones count as not set.

    `secrets` are the dotted keys whose value may come from a file. Reads those files.
    """
    found = Environment()
    for name in sorted(environ):
        if name.startswith(PREFIX) and environ[name]:
            _take(found, name, environ[name], secrets)
    return found


def _take(found: Environment, name: str, value: str, secrets: Set[str]) -> None:
    key = _key_of(name)
    if key.endswith(FILE_SUFFIX.lower()) and key.removesuffix(FILE_SUFFIX.lower()) in secrets:
        key = key.removesuffix(FILE_SUFFIX.lower())
        content = _read_secret(found, name, Path(value))
        if content is None:
            return
        value = content
    if key in found.origins:
        found.problems.append(f"{key}: is set by both {found.origins[key]} and {name}")
        return
    section, dot, rest = key.partition(".")
    if not dot:
        found.problems.append(
            f"{name}: names no setting; {PREFIX}SECTION__KEY does, such as {PREFIX}OSS__BUCKET"
        )
        return
    found.origins[key] = name
    found.values.setdefault(section, {})[rest] = value


def _key_of(name: str) -> str:
    return name.removeprefix(PREFIX).lower().replace("__", ".", 1)


def _read_secret(found: Environment, name: str, path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8") as file:
            content = file.read(LARGEST_SECRET + 1).strip()
    except OSError as error:
        found.problems.append(f"{name}: cannot read {path}: {error.strerror}")
        return None
    except ValueError:
        found.problems.append(f"{name}: {path} is not a text file")
        return None
    if not content or len(content) > LARGEST_SECRET:
        found.problems.append(f"{name}: {path} must hold the secret and nothing else")
        return None
    return content
