"""The doctor as an operator calls it."""

import json

from bot.demo.local_stack import LocalStack
from tests.cli.doctor.faulty_setups import make_healthy
from tests.cli.shell import type_in


async def test_exit_codes(stage: LocalStack) -> None:
    """The worst row decides: nothing, a warning, something broken."""
    await make_healthy(stage)
    healthy = await type_in(stage, "doctor")
    stage.bucket.lifecycle = None
    warned = await type_in(stage, "doctor")
    stage.oss.buckets.clear()
    broken = await type_in(stage, "doctor")

    assert [healthy.code, warned.code, broken.code] == [0, 3, 1]
    assert ["doctor: ok" in healthy.out, "relay-bot setup" in warned.out] == [True, True]


async def test_json(stage: LocalStack) -> None:
    """Scripts get one object for each row, and no secret."""
    await make_healthy(stage)
    done = await type_in(stage, "doctor", "--json")
    rows = [json.loads(line) for line in done.out.splitlines()]

    assert {"name", "verdict", "meaning", "remedy"} == set(rows[0])
    assert stage.telegram.token.partition(":")[2] not in done.out
    assert stage.oss.access_key_secret not in done.out


async def test_bad_settings(stage: LocalStack) -> None:
    """Settings that cannot be used are a row like others."""
    stage.more["RELAY_LINK__LIFETIME"] = "25h"
    done = await type_in(stage, "doctor", "--json")

    assert (done.code, done.json["name"], done.json["verdict"]) == (1, "settings", "broken")
    assert "link.lifetime" in done.json["meaning"]
