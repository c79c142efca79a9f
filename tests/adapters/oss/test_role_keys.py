"""Keys from the library, asked of stand-ins for the metadata service and STS on loopback."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from alibabacloud_credentials.utils import auth_util
from Tea.core import TeaCore

from bot.adapters.oss.keys import AccessKey
from bot.adapters.oss.role_keys import RoleKeys
from bot.core.errors import StoreError, StoreKeyRefused, StoreUnavailable

ENDS_AT = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
ISSUED = {
    "AccessKeyId": "STS.issued",
    "AccessKeySecret": "issued-secret",
    "SecurityToken": "issued-token",
    "Expiration": f"{ENDS_AT:%Y-%m-%dT%H:%M:%SZ}",
}
KEY = AccessKey(
    access_key_id="STS.issued",
    access_key_secret="issued-secret",
    security_token="issued-token",
    expires_at=ENDS_AT,
)


class Cloud:
    """Metadata service and STS in one. `status` and `text` replace the answer."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.status = 200
        self.text: str | None = None

    async def answer(self, request: web.Request) -> web.Response:
        """Answer like the service that was asked."""
        self.asked.append(request)
        if request.path.endswith("/api/token"):
            return web.Response(text="metadata-token")
        if request.path.endswith("/security-credentials/"):
            return web.Response(text="role-of-the-instance")
        body: dict[str, Any] = ISSUED | {"Code": "Success"}
        if request.query.get("Action") == "AssumeRoleWithOIDC":
            body = {"Credentials": ISSUED}
        text = self.text if self.text is not None else json.dumps(body)
        return web.Response(text=text, status=self.status)


@pytest.fixture
async def cloud(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cloud]:
    """A running stand-in; the library lets no address be set, so its requests are led here."""
    cloud = Cloud()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", cloud.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    compose: Any = TeaCore.compose_url

    def lead_here(request: Any) -> str:
        request.headers["host"] = host
        return str(compose(request))

    monkeypatch.setattr(TeaCore, "compose_url", staticmethod(lead_here))
    yield cloud
    for session in TeaCore._sessions.values():
        session.close()
    TeaCore._sessions.clear()
    await runner.cleanup()


@pytest.fixture
def oidc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The variables that RRSA sets, which the library has read when it was imported."""
    token = tmp_path / "token"
    token.write_text("the-oidc-token")
    monkeypatch.setattr(auth_util, "environment_role_arn", "acs:ram::1:role/relay")
    monkeypatch.setattr(auth_util, "environment_oidc_provider_arn", "acs:ram::1:oidc/ack")
    monkeypatch.setattr(auth_util, "environment_oidc_token_file", str(token))
    return token


async def fetch(keys: RoleKeys) -> AccessKey:
    """Ask in a thread, as the program does."""
    return await asyncio.to_thread(keys.fetch)


@pytest.mark.parametrize("name", [None, "relay-bot"])
async def test_role_of_an_instance(cloud: Cloud, name: str | None) -> None:
    """The key and its end are those of the metadata service, whose role is asked for or named."""
    key = await fetch(RoleKeys(kind="ecs_ram_role", role_name=name))
    role = name or "role-of-the-instance"

    assert key == KEY
    assert cloud.asked[-1].path == f"/latest/meta-data/ram/security-credentials/{role}"
    assert cloud.asked[-1].headers["X-aliyun-ecs-metadata-token"] == "metadata-token"


async def test_oidc_token(cloud: Cloud, oidc: Path) -> None:
    """Each renewal shows the token that the file has then, and asks for the life of the
    settings.
    """
    keys = RoleKeys(kind="oidc_role_arn", lifetime=timedelta(hours=6))
    first = await fetch(keys)
    oidc.write_text("the-next-token")
    second = await fetch(keys)
    asked = [(one.query["OIDCToken"], one.query["DurationSeconds"]) for one in cloud.asked]

    assert first == second == KEY
    assert asked == [("the-oidc-token", "21600"), ("the-next-token", "21600")]


async def test_profile(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile gives what it names, with its end; a key of its own stays."""
    path = tmp_path / "credentials.ini"
    path.write_text(
        "[instance]\ntype = ecs_ram_role\nrole_name = relay\n"
        "[own]\ntype = access_key\naccess_key_id = LTAI\naccess_key_secret = secret\n"
    )
    monkeypatch.setattr(auth_util, "environment_credentials_file", str(path))
    found = [await fetch(RoleKeys(kind="profile", profile=name)) for name in ("instance", "own")]
    with pytest.raises(StoreKeyRefused, match="no such profile"):
        await fetch(RoleKeys(kind="profile", profile="other"))

    assert found == [KEY, AccessKey(access_key_id="LTAI", access_key_secret="secret")]
    assert len(cloud.asked) == 2


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (404, "no such role", StoreKeyRefused),
        (403, json.dumps(ISSUED), StoreKeyRefused),
        (429, "slowly", StoreUnavailable),
        (503, json.dumps(ISSUED), StoreUnavailable),
        (200, "<html>a portal</html>", StoreUnavailable),
        (200, "null", StoreUnavailable),
        (
            200,
            json.dumps({"Code": "Success", **ISSUED, "AccessKeySecret": None}),
            StoreUnavailable,
        ),
        (200, json.dumps({"Credentials": {**ISSUED, "SecurityToken": 7}}), StoreUnavailable),
    ],
)
async def test_refusals(
    cloud: Cloud,
    status: int,
    text: str,
    expected: type[StoreError],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What cannot help stays a refusal, everything else is tried again; no secret shows."""
    cloud.status, cloud.text = status, text
    caplog.set_level(logging.DEBUG)
    with pytest.raises(expected) as caught:
        await fetch(RoleKeys(kind="ecs_ram_role", role_name="relay"))
    shown = f"{caught.value}{caplog.text}{''.join(capfd.readouterr())}"

    assert type(caught.value) is expected
    assert "issued" not in shown


async def test_nobody_answers(oidc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that fails is tried again; a file that is not there is not."""
    nowhere = staticmethod(lambda _: "http://127.0.0.1:9/")
    monkeypatch.setattr(TeaCore, "compose_url", nowhere)
    with pytest.raises(StoreUnavailable):
        await fetch(RoleKeys(kind="oidc_role_arn"))
    oidc.unlink()
    with pytest.raises(StoreKeyRefused, match=r"cannot read .*token"):
        await fetch(RoleKeys(kind="oidc_role_arn"))


async def test_variables_are_missing() -> None:
    """The text names the one that is."""
    with pytest.raises(StoreKeyRefused, match="ALIBABA_CLOUD_ROLE_ARN"):
        await fetch(RoleKeys(kind="oidc_role_arn"))
