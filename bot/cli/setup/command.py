"""`relay-bot setup`."""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from bot.adapters.oss.policies import SETUP_BUCKET
from bot.cli.common import FAILED, OK, SettingsFile, fail, load_settings, log_quietly
from bot.cli.failures import CommandFailed
from bot.cli.output import print_json, print_table
from bot.cli.setup.change import Change
from bot.cli.setup.run import Outcome, run_setup
from bot.cli.setup.wish import DesiredBucket, wish_of
from bot.core.errors import RelayError, StoreForbidden
from bot.core.links import LinkMode
from bot.settings import Settings

USERS: Final = "https://ram.console.aliyun.com/users"
POLICIES: Final = "https://ram.console.aliyun.com/policies"


def setup(  # noqa: PLR0913 - a command has its options.
    *,
    settings: SettingsFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take back our lifecycle rule and our statements.")
    ] = False,
    public_read_bucket: Annotated[
        bool,
        typer.Option(
            "--public-read-bucket",
            help='link.mode = "public" only: make the whole bucket readable.',
        ),
    ] = False,
    user_id: Annotated[
        str | None,
        typer.Option(help="Id of the RAM user whom a bucket policy shall serve (a number)."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Agree to what changes the bucket as a whole.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Make the bucket what the bot needs; run it again at any time. Rules and statements of others
    stay as they are. Exit code 1 if something was refused or not agreed to.

    Example: relay-bot setup --dry-run
    """
    loaded = load_settings(settings)
    log_quietly(loaded)
    if user_id is None and not (dry_run or remove or yes or as_json) and sys.stdin.isatty():
        user_id = _ask_user()
    wish = _wish(loaded, public_read=public_read_bucket, user=user_id)
    try:
        outcome = asyncio.run(
            run_setup(
                loaded,
                wish,
                agree=lambda changes: yes or _ask(changes, silent=as_json),
                remove=remove,
                dry_run=dry_run,
            )
        )
    except StoreForbidden as error:
        fail(_explain_forbidden(error))
    except (CommandFailed, RelayError) as error:
        fail(error)
    if as_json:
        print_json(_as_dict(outcome))
    else:
        _show(outcome, dry_run=dry_run)
        if not remove:
            _show_steps(wish, outcome)
    raise typer.Exit(FAILED if outcome.declined else OK)


def _wish(settings: Settings, *, public_read: bool, user: str | None) -> DesiredBucket:
    if public_read and settings.link.mode is not LinkMode.PUBLIC:
        raise typer.BadParameter('--public-read-bucket goes only with link.mode = "public"')
    if user is not None and not (user.isascii() and user.isdigit()):
        raise typer.BadParameter("--user-id is the number that the RAM console shows as UID")
    return wish_of(settings, public_read=public_read, user=user)


def _ask_user() -> str | None:
    question = f"UID of a RAM user for a bucket policy, from {USERS} (empty: leave the policy)"
    asked: str = typer.prompt(question, default="", show_default=False)
    return asked.strip() or None


def _ask(changes: Sequence[Change], *, silent: bool) -> bool:
    if silent or not sys.stdin.isatty():
        typer.echo("not agreed to: this changes the bucket as a whole; --yes agrees", err=True)
        return False
    _show_changes("these change the bucket as a whole, not only what is ours", changes)
    return typer.confirm("Change this?")


def _explain_forbidden(error: StoreForbidden) -> str:
    return (
        f"the access key may not do this: {error}. Use the key of somebody who may, for this"
        " command alone: RELAY_OSS__ACCESS_KEY_ID=… RELAY_OSS__ACCESS_KEY_SECRET=… relay-bot setup"
    )


def _show(outcome: Outcome, *, dry_run: bool) -> None:
    if not outcome.planned:
        typer.echo("setup: nothing to change")
    elif dry_run:
        _show_changes("would change", outcome.planned)
    elif outcome.made:
        _show_changes("changed", outcome.made)
    if outcome.declined:
        _show_changes("not changed, because nobody agreed", outcome.declined)
    for note in outcome.notes:
        typer.echo(f"note: {note}")


def _show_changes(title: str, changes: Sequence[Change]) -> None:
    rows = [(change.what, change.before, change.after) for change in changes]
    print_table(title, ("what", "is", "shall be"), rows)


def _show_steps(wish: DesiredBucket, outcome: Outcome) -> None:
    policy, more = json.dumps(outcome.ram, indent=2), ", ".join(SETUP_BUCKET)
    typer.echo(
        f"""
What only you can do, once, in the console:
1. {USERS} → create a user without console access, with an access key; put the key into
   settings.toml (oss.access_key_id, oss.access_key_secret).
2. {POLICIES} → create a policy by script with the text below, and attach it to that user. It is
   the least that run, send, audit and doctor need. The key of setup needs besides, on the bucket
   {wish.bucket}: {more}.

{policy}"""
    )
    if wish.user is None:
        typer.echo(
            """
Or, in place of 2, let a bucket policy serve the user: relay-bot setup --user-id UID
(doctor can then not look at the configuration of the bucket)."""
        )


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    def rows(changes: Sequence[Change]) -> list[dict[str, Any]]:
        return [
            {"what": c.what, "before": c.before, "after": c.after, "ours": c.ours} for c in changes
        ]

    return {
        "planned": rows(outcome.planned),
        "made": rows(outcome.made),
        "declined": rows(outcome.declined),
        "notes": outcome.notes,
        "ram_policy": outcome.ram,
    }
