"""Worlds with one thing wrong, for the doctor to find."""

import json
import resource
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp

from bot.cli.setup import run_setup
from bot.cli.setup.plan import desired_for
from bot.demo.local_stack import BUCKET, LocalStack
from bot.sandbox.oss.policy import parse_policy

QUIET = {"RELAY_SPOOL__QUOTA": "64MiB"}
"""So that the size of this machine's disk is no finding."""


async def make_healthy(stage: LocalStack, **more: str) -> None:
    """Set the bucket up as an operator does."""
    stage.more |= QUIET | more
    settings = stage.settings(1)
    await run_setup(settings, desired_for(settings), agree=lambda _: True, clock=stage.clock)


@dataclass(frozen=True)
class World:
    """One thing wrong: `spoil` does it (what it returns is undone by calling it), `more` are
    settings and `environ` other variables; `found` are the rows that must say so, each with words
    of its remedy; `leaves` objects cannot be deleted.
    """

    name: str
    found: Mapping[str, str]
    spoil: Callable[[LocalStack], Any] = lambda _: None
    more: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    warns: bool = False
    leaves: int = 0
    fine: bool = False


def _public(stage: LocalStack, *statements: dict[str, Any]) -> None:
    stage.bucket.blocks_public_access = False
    stage.bucket.policy = parse_policy(json.dumps({"Version": "1", "Statement": statements}))


def _statement(effect: str, action: str, **more: Any) -> dict[str, Any]:
    where = f"acs:oss:*:*:{BUCKET}"
    return {
        "Effect": effect,
        "Principal": ["*"],
        "Action": [action],
        "Resource": [where, f"{where}/*"],
        **more,
    }


async def _set_webhook(stage: LocalStack) -> None:
    url = f"{stage.telegram.base_url}{stage.telegram.token}/setWebhook"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"url": "https://elsewhere.example/hook"}) as answer,
    ):
        assert answer.status == 200


def _damage(stage: LocalStack) -> None:
    (stage.folder / "relay.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)


def _ledger_of_the_future(stage: LocalStack) -> None:
    connection = sqlite3.connect(stage.folder / "relay.sqlite3")
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.commit()
    connection.close()


def _few_descriptors(_: LocalStack) -> Callable[[], None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _set(**values: Any) -> Callable[[LocalStack], None]:
    """Return what sets fields of the bucket, of the account (`world_…`), or of the service
    (`oss_…`).
    """

    def spoil(stage: LocalStack) -> None:
        for name, value in values.items():
            if name.startswith("world_"):
                setattr(stage.oss.world, name.removeprefix("world_"), value)
            elif name.startswith("oss_"):
                setattr(stage.oss, name.removeprefix("oss_"), value)
            else:
                setattr(stage.bucket, name, value)

    return spoil


def _move(stage: LocalStack) -> None:
    stage.bucket.region = stage.oss.world.region = "cn-beijing"


def _less_rights(stage: LocalStack) -> None:
    allowed = ["oss:Get*", "oss:List*", "oss:DeleteObject", "oss:AbortMultipartUpload"]
    stage.oss.add_key("LTAI-less", "less-secret", user="7", allow=allowed)


def _policy_without_status(stage: LocalStack) -> None:
    names = ["PutObject", "PutObjectAcl", "GetObject", "ListObjects", "ListParts"]
    names += ("DeleteObject", "AbortMultipartUpload", "ListMultipartUploads", "GetBucketInfo")
    names += ("GetBucketLifecycle", "GetBucketPolicy", "GetBucketPublicAccessBlock")
    stage.oss.add_key("LTAI-less", "less-secret", user="7", allow=[f"oss:{n}" for n in names])
    _public(stage, _statement("Allow", "oss:GetObject", Condition=ANYWHERE))


def _temporary_key(stage: LocalStack) -> None:
    stage.oss.add_key("STS-key", "sts-secret", token="sts-token")


PUBLIC = {"RELAY_LINK__MODE": "public"}
LESS = {"RELAY_OSS__ACCESS_KEY_ID": "LTAI-less", "RELAY_OSS__ACCESS_KEY_SECRET": "less-secret"}
STS = {"OSS_ACCESS_KEY_ID": "STS-key", "OSS_ACCESS_KEY_SECRET": "sts-secret"}
OVER_HTTP = {"Bool": {"acs:SecureTransport": ["false"]}}
ANYWHERE = {"IpAddress": {"acs:SourceIp": ["127.0.0.0/7"]}}
IN_VPC = {"StringEquals": {"acs:SourceVpc": ["vpc-1"]}}
PLAIN_DENIED = _statement("Deny", "oss:*", Condition={"Bool": {"acs:SecureTransport": "false"}})

WORLDS = (
    World("bad settings", {"settings": "relay-bot init"}, more={"RELAY_OSS__BUCKET": "No Bucket"}),
    World("nobody may use it", {"settings": "settings.example.toml"}, warns=True,
          more={"RELAY_ACCESS__USERS": ""}),
    World("another token", {"telegram token": "telegram.token"},
          more={"RELAY_TELEGRAM__TOKEN": "123456:nobody-knows-this-token"}),
    World("Telegram is out of reach", {"telegram": "network"}, lambda s: s.telegram.stop()),
    World("somebody's webhook", {"telegram webhook": "/newbot"}, _set_webhook, warns=True),
    World("privacy mode in groups", {"telegram privacy mode": "/setprivacy"}, warns=True,
          more={"RELAY_ACCESS__GROUPS": "-1001"}),
    World("an old Bot API server", {"Bot API server": "at least Bot API 7.11"}, warns=True,
          spoil=lambda s: s.telegram.world.missing_methods.add("setMessageReaction")),
    World("no folder of the local server", {"telegram mode": "telegram.file_root"},
          more={"RELAY_TELEGRAM__MODE": "local", "RELAY_TELEGRAM__FILE_ROOT": "/nowhere/at/all"}),
    World("the clock is off", {"clock and OSS": "NTP"}, warns=True,
          spoil=_set(oss_clock_skew=timedelta(minutes=40))),
    World("wrong secret", {"OSS key": "oss.access_key_secret"},
          more={"RELAY_OSS__ACCESS_KEY_SECRET": "not-the-secret"}),
    World("disabled key", {"OSS key": "enabled"},
          lambda s: setattr(s.oss.world.keys[s.oss.access_key_id], "enabled", False)),
    World("temporary key", {"OSS key": "RAM user"}, _temporary_key, warns=True,
          more={"RELAY_OSS__ACCESS_KEY_ID": "", "RELAY_OSS__ACCESS_KEY_SECRET": "",
                "RELAY_OSS__TOKEN_EXPIRES_AT": "2099-01-31T18:00:00Z"},
          environ=STS | {"OSS_SESSION_TOKEN": "sts-token"}),
    World("no bucket", {"OSS bucket": "relay-bot setup"}, lambda s: s.oss.buckets.clear()),
    World("another region", {"OSS region": "oss.region"}, _set(region="cn-beijing")),
    World("mainland without a domain", {"link domain": "link.domain"}, _move, warns=True,
          more={"RELAY_OSS__REGION": "cn-beijing"}),
    World("overdue account", {"OSS account": "top it up"}, _set(world_account_refusal="InDebt")),
    World("open bucket", {"bucket ACL": "private", "anonymous listing": "private",
                          "public access": "block it"},
          _set(acl="public-read", blocks_public_access=False)),
    World("anybody may write", {"bucket ACL": "private", "anonymous listing": "private",
                                "anonymous writing": "private", "public access": "block it"},
          _set(acl="public-read-write", blocks_public_access=False)),
    World("public links, blocked bucket",
          {"settings": "", "public access": "allow it"},
          _set(blocks_public_access=True), more=PUBLIC),
    World("public links, blocked account",
          {"settings": "", "public access": "account's block"},
          _set(world_blocks_public_access=True), more=PUBLIC),
    World("a policy for everybody",
          {"bucket policy": "Principal *", "anonymous reading": "Principal *",
           "public access": "block it"},
          lambda s: _public(s, _statement("Allow", "oss:GetObject"))),
    World("a policy without a principal",
          {"bucket policy": "Principal *", "anonymous reading": "Principal *",
           "public access": "block it"},
          lambda s: _public(s, _statement("Allow", "oss:GetObject", Principal=[]))),
    World("a policy for everybody over plain http",
          {"bucket policy": "SecureTransport", "anonymous writing": "policies",
           "public access": "block it"},
          lambda s: _public(s, _statement("Allow", "oss:PutObject", Condition=OVER_HTTP))),
    World("a policy for everybody on the net",
          {"bucket policy": "VPC", "anonymous listing": "policies", "public access": "block it"},
          lambda s: _public(s, _statement("Allow", "oss:ListObjects", Condition=ANYWHERE))),
    World("a policy for everybody, and no right to ask OSS about it",
          {"bucket policy": "VPC", "public access": "block it", "anonymous reading": "remove"},
          _policy_without_status, more=LESS),
    World("a policy for a VPC", {"public access": "block it"}, warns=True,
          spoil=lambda s: _public(s, _statement("Allow", "oss:*", Condition=IN_VPC))),
    World("wrong key and wrong bucket", {"OSS key": "enabled"}, lambda s: s.oss.buckets.clear(),
          more={"RELAY_OSS__ACCESS_KEY_ID": "LTAI-nobody"}),
    World("a retention policy", {"retention": "WORM"}, _set(retains=True), leaves=1),
    World("a referer whitelist", {"round trip": "empty Referer"},
          _set(refuses_empty_referer=True)),
    World("archived objects", {"round trip": "class of new", "storage class": "class of new"},
          _set(world_storage_class="Archive")),
    World("another class of the bucket", {}, _set(storage_class="Archive"), fine=True),
    World("a policy against plain http", {"OSS key": "RAM policy", "OSS rights": "RAM policy"},
          lambda s: _public(s, PLAIN_DENIED)),
    World("not closed", {"public access": "block it"}, _set(blocks_public_access=False),
          warns=True),
    World("no net", {"lifecycle": "relay-bot setup"}, _set(lifecycle=None), warns=True),
    World("versions", {"versioning": "suspend"}, _set(versioning="Enabled")),
    World("too few rights", {"OSS rights": "RAM policy"}, _less_rights, more=LESS),
    World("no place for the spool", {"spool": "spool.folder"},
          lambda s: (s.folder / "file").touch(),
          more={"RELAY_SPOOL__FOLDER": "file/spool"}),
    World("no room", {"spool": "make room"}, more={"RELAY_SPOOL__KEEP_FREE": "900TiB"}),
    World("a large quota", {"spool": "spool.quota"}, warns=True,
          more={"RELAY_SPOOL__QUOTA": "900TiB"}),
    World("a damaged ledger", {"ledger": "backup"}, _damage),
    World("a newer ledger", {"ledger": "newer version"}, _ledger_of_the_future),
    World("few descriptors", {"file descriptors": "LimitNOFILE"}, _few_descriptors, warns=True,
          more={"RELAY_TRANSFER__CONNECTIONS": "256"}),
    World("an unused proxy", {"proxy": "telegram.proxy and oss.proxy"}, warns=True,
          environ={"HTTPS_PROXY": "http://127.0.0.1:9"}),
)  # fmt: skip
