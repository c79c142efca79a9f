"""The rights that the printed RAM policy gives are those that the program needs: all, and no more.

What is needed is taken from the stand-in's memory of whole conversations, not from the code.
"""

import os
from collections.abc import Iterable

from bot.adapters.oss.policies import Policy, ram_policy
from bot.cli.doctor import examine
from bot.cli.send.files import open_input
from bot.cli.send.sender import open_sender
from bot.cli.setup import run_setup
from bot.cli.setup.plan import desired_for
from bot.cli.status import run_audit
from bot.core.jobs import ProgressMeter
from bot.demo.local_stack import BUCKET, LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import operations
from bot.sandbox.oss.policy import parse_policy
from bot.sandbox.request_log import LoggedRequest
from tests.conversations.people import Person
from tests.fakes.policies import actions_of

CONTENT = os.urandom(1 << 20) * 12
NEEDED_BY_ACL = "oss:PutObjectAcl"
"""Goes with every request that sets an ACL; the stand-in refuses those that lack it."""


def needed(entries: Iterable[LoggedRequest]) -> set[str]:
    """The RAM actions behind the signed requests, as the stand-in's own tables have them."""
    tables = (operations._SERVICE, operations._BUCKET, operations._OBJECT, operations._COPIES)
    actions = {row.name: row.action for table in tables for row in table.values()}
    signed = [entry for entry in entries if entry.params["auth"] != "anonymous"]
    assert [entry for entry in signed if entry.status == 403] == []
    found = {actions[entry.operation] for entry in signed}
    return found | ({NEEDED_BY_ACL} if "oss:PutObject" in found else set())


def use_key(stage: LocalStack, policy: Policy) -> None:
    """Work with the key of a RAM user who has this policy and nothing else."""
    stage.oss.add_key("LTAI-ram", "ram-secret", user="77", allow=actions_of(policy))
    stage.more |= {
        "RELAY_OSS__ACCESS_KEY_ID": "LTAI-ram",
        "RELAY_OSS__ACCESS_KEY_SECRET": "ram-secret",
        "RELAY_STOP__GRACE": "0s",
    }


async def converse(stage: LocalStack) -> None:
    """Relay with a restart in the middle, relay the same again, delete, send, audit, examine."""
    alice = Person(stage)
    await stage.start_bot(alice.id)
    stage.oss.faults.add(Fault("UploadPart", Effect.STALL, skip=2, times=0))
    message = await alice.send(CONTENT, "big.bin")
    await stage.oss.wait_for(
        lambda: sum(entry.status == 200 for entry in stage.oss.log.of("UploadPart")) >= 2
    )
    await stage.stop_bot()
    stage.oss.faults.clear()
    await stage.start_bot(alice.id)
    answer = await alice.answered(message)
    await alice.press(answer, "Delete now")
    await alice.answered(await alice.send(b"small", "small.bin", unique_id="same"))
    stage.oss.faults.add(Fault("UploadPart", Effect.STALL, times=0))
    await alice.send(CONTENT, "cancelled.bin")
    await alice.until(lambda: bool(alice.status_messages))
    await alice.press(alice.status_messages[0], "Cancel")
    await stage.oss.wait_for(lambda: bool(stage.oss.log.of("AbortMultipartUpload")))
    stage.oss.faults.clear()
    await _send(stage)
    await run_audit(stage.settings(alice.id), fix=False, clock=stage.clock)
    await examine(None, stage.variables(alice.id), clock=stage.clock)
    await stage.stop_bot()


async def _send(stage: LocalStack) -> None:
    path = stage.folder / "from-shell.bin"
    path.write_bytes(b"from a shell")
    async with open_sender(stage.settings(1), stage.clock) as sender:
        with open_input(path, standard_input=-1, name=path.name) as given:
            await sender.send(given, ProgressMeter(), on_wait=lambda *_: None)


FOREIGN_POLICY = (
    '{"Version": "1", "Statement": [{"Effect": "Allow", "Principal": ["42"],'
    f' "Action": ["oss:GetObject"], "Resource": ["acs:oss:*:*:{BUCKET}/logs/*"]}}]}}'
)


async def test_running_and_examining(stage: LocalStack) -> None:
    """A key with the printed policy and nothing else gets through, and uses all of it."""
    policy = ram_policy(BUCKET, desired_for(stage.settings()).prefix)
    use_key(stage, policy)
    # Only a policy that is there is asked about.
    stage.bucket.policy = parse_policy(FOREIGN_POLICY)
    await converse(stage)

    assert needed(stage.oss.log) == actions_of(policy)


async def test_setting_up(stage: LocalStack) -> None:
    """A key that may also set the bucket up has what that needs, and uses all of it."""
    policy = ram_policy(BUCKET, desired_for(stage.settings()).prefix, setup=True)
    use_key(stage, policy)
    del stage.oss.buckets[BUCKET]
    for mode, public_read, remove in (
        ("signed", False, False),
        ("public", True, False),
        ("signed", False, True),
    ):
        stage.more["RELAY_LINK__MODE"] = mode
        settings = stage.settings()
        desired = desired_for(settings, public_read=public_read, user="77")
        await run_setup(settings, desired, agree=lambda _: True, remove=remove, clock=stage.clock)
    running = actions_of(ram_policy(BUCKET, "relay/"))

    assert actions_of(policy) - running <= needed(stage.oss.log) <= actions_of(policy)
