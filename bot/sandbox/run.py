"""Run both stand-ins as one process and write settings for a bot that uses them."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from bot.sandbox.clock import SandboxClock
from bot.sandbox.oss import OssStandIn
from bot.sandbox.telegram import TelegramStandIn

BUCKET = "relay-sandbox"
ALICE = 1001


async def run_sandbox(
    folder: Path,
    say: Callable[[str], None],
    *,
    telegram_port: int = 0,
    oss_port: int = 0,
    local: bool = False,
) -> None:
    """Run both stand-ins on loopback until cancelled; write `settings.toml` for them into
    `folder`. With `local` the Bot API server runs in local mode.

    Raises:
        OSError: a port is taken, or the folder cannot be written.
    """
    clock = SandboxClock()
    root = _absolute(folder) / "bot-api" if local else None
    async with (
        TelegramStandIn(folder, clock=clock, port=telegram_port, local_root=root) as telegram,
        OssStandIn(folder, clock=clock, port=oss_port) as oss,
    ):
        oss.add_bucket(BUCKET)
        telegram.private_chat(telegram.add_user("Alice", id=ALICE, role="member"))
        settings = folder / "settings.toml"
        await asyncio.to_thread(_write, settings, _settings(telegram, oss, root))
        say(_welcome(telegram, oss, settings))
        await asyncio.Event().wait()


def _write(path: Path, text: str) -> None:
    """Write a file for its owner only, as the bot asks of a file with a token."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def _absolute(folder: Path) -> Path:
    return folder.absolute()


def _settings(telegram: TelegramStandIn, oss: OssStandIn, root: Path | None) -> str:
    mode = f'mode = "local"\nfile_root = "{root}"\n' if root else ""
    # These secrets open nothing but the stand-ins that print them.
    return f"""\
[telegram]
token = "{telegram.token}"
base_url = "{telegram.base_url.removesuffix("/bot")}"
{mode}
[oss]
bucket = "{BUCKET}"
region = "{oss.region}"
endpoint = "{oss.endpoint}"
access_key_id = "{oss.access_key_id}"
access_key_secret = "{oss.access_key_secret}"

[access]
users = [{ALICE}]
"""


def _welcome(telegram: TelegramStandIn, oss: OssStandIn, settings: Path) -> str:
    base = telegram.base_url.removesuffix("/bot")
    return f"""\
Telegram  {base}
OSS       {oss.endpoint}  (bucket {BUCKET}, region {oss.region})
settings  {settings}

Start the bot in another terminal:
  relay-bot run --settings {settings}
Be Alice ({ALICE}), who may use it, in a browser:
  {telegram.page_url}
or from a shell:
  curl {base}/control/send_file -d '{{"chat_id": {ALICE}, "user_id": {ALICE},
    "path": "/etc/hostname"}}'
  curl {base}/control/messages -d '{{"chat_id": {ALICE}}}'
Ctrl-C ends both stand-ins.
"""
