"""A database that is away for long, with both roles: all wait, and go on by themselves."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.stage import links
from tests.kill.cluster import Cluster, Member, Role, running_cluster

WORKERS: Final = 2
HALF: Final = 6
"""Files before it goes, and as many while it is away."""
SIZE: Final = 3_000_000
LINE: Final = 300_000
"""Bytes per second of a connection: files are in the middle of their way."""
NOTICED: Final = 30.0
"""Seconds in which every process has to say that the database is away."""
PATIENCE: Final = 120.0
"""Seconds until all files must be answered, once it is back."""


@dataclass(frozen=True, slots=True)
class Away:
    """What became of processes and files. Times are in seconds, `…_after` the return."""

    processes: int
    said_why: int
    noticed_after: float
    ended: int
    files: int
    answered_once: int
    uploads: int
    objects: int
    answered_after: float
    ready_after: float


async def run_away(folder: Path, seconds: float) -> Away:
    """Take the database away for so long, in the middle of uploads.

    Raises:
        TimeoutError: a process did not notice it, or files were not answered.
    """
    async with running_cluster(folder, people=2 * HALF) as cluster:
        members = [cluster.add("front-1", Role.FRONT)]
        members += [cluster.add(f"worker-{n + 1}", Role.WORKER) for n in range(WORKERS)]
        await cluster.until_ready(members)
        oss, bucket = cluster.sandbox.oss, cluster.sandbox.bucket
        await oss.set_shape(up_per_connection=LINE)
        await _send(cluster, range(HALF))
        await oss.log("UploadPart", at_least=4)
        said, noticed_after = await _lose_database(cluster, members, seconds)
        back_at = time.monotonic()
        for person in cluster.people:
            await cluster.chat(person).wait_for("<a href", timeout=PATIENCE / 2)
        answered_after = time.monotonic() - back_at
        await cluster.until_ready(members)
        ready_after = time.monotonic() - back_at
        return Away(
            processes=len(members),
            said_why=sum("ledger" in text for text in said),
            noticed_after=noticed_after,
            ended=sum(len(member.ends) for member in members),
            files=2 * HALF,
            answered_once=[await _answers(cluster, n) for n in range(2 * HALF)].count(1),
            uploads=len(await oss.uploads(bucket)),
            objects=len(await oss.objects(bucket)),
            answered_after=answered_after,
            ready_after=ready_after,
        )


async def _lose_database(
    cluster: Cluster, members: Sequence[Member], seconds: float
) -> tuple[list[str], float]:
    """Let the database be away, and files be sent; return why processes are not ready, and the
    seconds until all of them said so.
    """
    await cluster.crash_server()
    began = time.monotonic()
    try:
        async with asyncio.timeout(NOTICED):
            said = await cluster.until_ready(members, status=503)
        noticed_after = time.monotonic() - began
        await _send(cluster, range(HALF, 2 * HALF))
        await asyncio.sleep(seconds - (time.monotonic() - began))
    finally:
        cluster.start_server()
    return said, noticed_after


async def _send(cluster: Cluster, numbers: range) -> None:
    for number in numbers:
        path = cluster.folder / f"{number}.bin"
        path.write_bytes(os.urandom(SIZE))
        person = cluster.people[number]
        await cluster.chat(person).send_file(person, content=path, name=path.name)


async def _answers(cluster: Cluster, number: int) -> int:
    """Return how many links a person has got."""
    messages = await cluster.chat(cluster.people[number]).messages()
    return sum(len(links(message)) for message in messages if message.from_bot)
