"""Commands as an operator types them, between the stand-ins."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from bot.cli.main import app
from bot.demo.local_stack import LocalStack


@dataclass(frozen=True, slots=True)
class Typed:
    """What a command printed, and the exit code with which it left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


async def type_in(stage: LocalStack, *words: str, typed: str = "", user: int = 1) -> Typed:
    """Run a command in a thread of its own, so that the stand-ins can answer; `typed` is standard
    input, which is no terminal.
    """
    variables = {"COLUMNS": "200", **stage.variables(user)}

    def run() -> Typed:
        result = CliRunner().invoke(app, list(words), input=typed, env=variables)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Typed(result.exit_code, result.stdout, result.stderr)

    return await asyncio.to_thread(run)
