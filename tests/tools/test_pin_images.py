"""Digests of images, from a registry on the loopback that asks for a token as the real one."""

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.tools.pin_images import MANIFESTS, ImageName, Unresolved, digest_of, named, pin

PYTHON = ImageName("python", "3.14.7-slim-trixie")
MANIFEST = b'{"schemaVersion": 2, "manifests": []}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
DOCKERFILE = "FROM python:3.14.7-slim-trixie AS build\nRUN x\nFROM python:3.14.7-slim-trixie\n"
COMPOSE = "services:\n  a:\n    image: file-relay-bot\n  b:\n    image: other/server:10.3\n"


class Registry(BaseHTTPRequestHandler):
    """Knows one image, for those with a token."""

    def do_GET(self) -> None:
        """Answer as the path says."""
        if self.path.startswith("/token?"):
            self._answer(200, "application/json", json.dumps({"token": self.path}).encode())
        elif "Authorization" not in self.headers:
            realm = f"http://{self.headers['Host']}/token"
            scope = "repository:library/python:pull"
            self._answer(401, "text/plain", b"", f'Bearer realm="{realm}",scope="{scope}"')
        elif self.path == "/v2/library/python/manifests/3.14.7-slim-trixie":
            self._answer(200, MANIFESTS[0], MANIFEST)
        elif "/one/" in self.path:
            self._answer(200, "application/vnd.oci.image.manifest.v1+json", MANIFEST)
        else:
            self._answer(404, "application/json", b"{}")

    def _answer(self, status: int, kind: str, body: bytes, challenge: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of a registry."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_digest(registry: str) -> None:
    """It is computed from the manifest, not from what the registry says about it."""
    assert digest_of(PYTHON, registry) == DIGEST


@pytest.mark.parametrize("image", [ImageName("missing", "1"), ImageName("one/platform", "1")])
def test_unresolved(registry: str, image: ImageName) -> None:
    """An unknown image has no digest, and one for a single kind of processor is not taken."""
    with pytest.raises(Unresolved):
        digest_of(image, registry)


def test_no_registry() -> None:
    """Without an answer there is no digest."""
    with pytest.raises(Unresolved):
        digest_of(PYTHON, "http://127.0.0.1:9")


def test_files(tmp_path: Path) -> None:
    """Each image is pinned at every place, again when it has moved; what has no digest stays, and
    nothing else changes.
    """
    files = [tmp_path / "Dockerfile", tmp_path / "compose.yaml"]
    files[0].write_text(DOCKERFILE, encoding="utf-8")
    files[1].write_text(COMPOSE, encoding="utf-8")

    def resolve(image: ImageName) -> str:
        if image != PYTHON:
            raise Unresolved("no")
        return DIGEST

    counts = [pin(files, resolve), pin(files, resolve)]
    texts = [file.read_text(encoding="utf-8") for file in files]

    assert named(COMPOSE) == {ImageName("other/server", "10.3")}
    assert counts == [1, 1]
    assert texts[0] == DOCKERFILE.replace("-trixie", f"-trixie@{DIGEST}")
    assert texts[1] == COMPOSE
