"""`python -m tests.tools.pin_images` (`make pin-images`): add the digest to the tag of every image
that `deploy/` takes from a registry.

The manifest is fetched, and its digest is computed from it: nothing is written that a registry has
not given. Without an answer an image stays as it is, and the exit code is 1.
"""

import hashlib
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from tests.tools.sources import ROOT

FILES: Final = (ROOT / "deploy/Dockerfile", ROOT / "deploy/compose.yaml")
REGISTRY: Final = "https://registry-1.docker.io"
TIMEOUT: Final = 20.0
"""Seconds for each request."""
MANIFESTS: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
"""Lists with a manifest for each kind of processor; the digest of one of those fits one kind."""

_IMAGE: Final = re.compile(
    r"(?m)^((?:FROM|\s*image:) )(?P<name>[a-z0-9/._-]+):(?P<tag>[A-Za-z0-9._-]+)"
    r"(?:@sha256:[0-9a-f]{64})?(?=\s|$)"
)


class Unresolved(Exception):
    """The registry did not tell a digest; the text says why."""


@dataclass(frozen=True, order=True)
class ImageName:
    """An image of the registry, such as `python` (which is `library/python`) with a tag."""

    name: str
    tag: str

    @property
    def repository(self) -> str:
        """The name by which the registry knows it."""
        return self.name if "/" in self.name else f"library/{self.name}"


def named(text: str) -> set[ImageName]:
    """Return every image that a file takes from a registry; ours have no tag."""
    return {ImageName(found["name"], found["tag"]) for found in _IMAGE.finditer(text)}


def pinned(text: str, digests: dict[ImageName, str]) -> str:
    """Return the text with these digests; other images stay as they are."""

    def pin(found: re.Match[str]) -> str:
        image = ImageName(found["name"], found["tag"])
        if image not in digests:
            return found[0]
        return f"{found[1]}{image.name}:{image.tag}@{digests[image]}"

    return _IMAGE.sub(pin, text)


def digest_of(image: ImageName, registry: str = REGISTRY) -> str:
    """Ask a registry for the digest of an image, "sha256:…".

    Raises:
        Unresolved: it did not answer, or not with a list of manifests.
    """
    url = f"{registry}/v2/{image.repository}/manifests/{image.tag}"
    headers = {"Accept": ", ".join(MANIFESTS)}
    try:
        answer = requests.get(url, headers=headers, timeout=TIMEOUT)
        if answer.status_code == 401:
            headers["Authorization"] = f"Bearer {_token(answer)}"
            answer = requests.get(url, headers=headers, timeout=TIMEOUT)
    except (requests.RequestException, ValueError) as error:
        raise Unresolved(type(error).__name__) from error
    if answer.status_code != 200 or answer.headers.get("Content-Type") not in MANIFESTS:
        raise Unresolved(f"HTTP {answer.status_code}, {answer.headers.get('Content-Type')}")
    return f"sha256:{hashlib.sha256(answer.content).hexdigest()}"


def _token(refusal: requests.Response) -> str:
    """Fetch the token that a registry asks for, also from those without an account."""
    asked = dict(re.findall(r'(\w+)="([^"]*)"', refusal.headers.get("WWW-Authenticate", "")))
    if "realm" not in asked:
        raise Unresolved("the registry asks for an account")
    realm = asked.pop("realm")
    found = requests.get(realm, params=asked, timeout=TIMEOUT).json()
    return str(found.get("token", ""))


def pin(files: Iterable[Path], resolve: Callable[[ImageName], str] = digest_of) -> int:
    """Pin the images of files; return how many could not be resolved."""
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    digests, missing = {}, 0
    for image in sorted(set().union(*(named(text) for text in texts.values()))):
        try:
            digests[image] = resolve(image)
            print(f"{image.name}:{image.tag} {digests[image]}")  # noqa: T201 -- its output.
        except Unresolved as reason:
            missing += 1
            print(f"{image.name}:{image.tag} stays as it is: {reason}")  # noqa: T201 -- its output.
    for file, text in texts.items():
        file.write_text(pinned(text, digests), encoding="utf-8")
    return missing


if __name__ == "__main__":
    sys.exit(1 if pin(FILES) else 0)
