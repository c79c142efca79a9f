"""`python -m tests.tools.trace [--json] [scenario…]`: the modules that a request executes.

Prints for each scenario how many modules of `bot` execute functions between the event and the
end, in order of first execution, with the number of functions of each. Import code, class bodies,
generated functions (of dataclasses) and comprehensions do not count, neither do the stand-ins and
the demo that stages them.

Each scenario runs in a process of its own, because caches that one scenario fills would hide
functions from the next.
"""

import argparse
import asyncio
import inspect
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType

from tests.tools.scenarios import SCENARIOS, PreparedStage
from tests.tools.sources import ROOT, SANDBOX, is_within, module_name

HARNESS = (SANDBOX, "bot.demo")
COMPREHENSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
QUIET = 1.0
"""Real seconds without a call in the program after which it is idle."""
PATIENCE = 30.0
"""Real seconds until a program that never gets idle is an error."""


class Tracer:
    """Notes the functions of `bot` that any thread executes while recording.

    Install it before the first thread starts: the interpreter asks only threads that start later.
    """

    def __init__(self) -> None:
        self._recording = False
        self._modules: dict[int, str | None] = {}
        self._recorded: dict[int, str] = {}
        self._kept: list[CodeType] = []
        self._last_call = time.monotonic()

    @property
    def functions(self) -> Counter[str]:
        """The number of distinct functions per module, in order of first execution."""
        return Counter(self._recorded.values())

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Look at every call of every thread that starts in here, and of this one."""
        threading.setprofile(self._look)
        sys.setprofile(self._look)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note what is executed in here."""
        self._recording = True
        try:
            yield
        finally:
            self._recording = False

    async def idle(self) -> None:
        """Wait until the program has executed nothing for a while.

        Raises:
            TimeoutError: it executes something again and again.
        """
        async with asyncio.timeout(PATIENCE):
            # An event would have to be set at every call, from any thread.
            while (rest := self._last_call + QUIET - time.monotonic()) > 0:  # noqa: ASYNC110 # as above.
                await asyncio.sleep(rest)

    def _look(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        # By identity: code objects that are written alike are equal.
        key = id(frame.f_code)
        if key not in self._modules:
            self._kept.append(frame.f_code)
            self._modules[key] = measured_module(frame.f_code)
        module = self._modules[key]
        if module is not None:
            self._last_call = time.monotonic()
            if self._recording:
                self._recorded.setdefault(key, module)


def measured_module(code: CodeType) -> str | None:
    """Return the module of a function of the program; `None` for everything else."""
    is_function = code.co_flags & inspect.CO_OPTIMIZED and code.co_name not in COMPREHENSIONS
    path = Path(code.co_filename)
    if not is_function or not path.is_relative_to(ROOT / "bot"):
        return None
    name = module_name(path.relative_to(ROOT))
    return None if any(is_within(name, package) for package in HARNESS) else name


def trace(scenario: str) -> Counter[str]:
    """Run a scenario here; return the functions executed per module, in order of execution.

    Raises:
        RuntimeError: other threads run already, and would not be seen.
    """
    if threading.active_count() > 1:
        raise RuntimeError("threads that run already cannot be traced")
    tracer = Tracer()
    with tracer.installed(), TemporaryDirectory() as folder:
        asyncio.run(_play(scenario, tracer, Path(folder)))
    return tracer.functions


async def _play(scenario: str, tracer: Tracer, folder: Path) -> None:
    async with PreparedStage(folder) as stage, SCENARIOS[scenario](stage) as event:
        await tracer.idle()
        with tracer.recording():
            await event()
            await tracer.idle()


def trace_alone(scenario: str) -> dict[str, int]:
    """Run a scenario in a new process; return what `trace` does.

    Raises:
        subprocess.CalledProcessError: the scenario failed; its output is part of the error.
    """
    command = [sys.executable, "-m", "tests.tools.trace", "--json", scenario]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        done.check_returncode()
    # The logs of the bot stand before it.
    functions: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return functions


def main(arguments: list[str]) -> int:
    """Trace the scenarios, all of them if none is named; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.trace")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--json", action="store_true", help="one scenario, as one line of JSON")
    options = parser.parse_args(arguments)
    scenarios = options.scenarios or list(SCENARIOS)
    if unknown := [name for name in scenarios if name not in SCENARIOS]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if options.json and len(scenarios) != 1:
        parser.error("--json takes one scenario")
    if options.json:
        sys.stdout.write(f"{json.dumps(trace(scenarios[0]))}\n")
        return 0
    for scenario in scenarios:
        _show(scenario, trace_alone(scenario))
    return 0


def _show(scenario: str, functions: dict[str, int]) -> None:
    total = sum(functions.values())
    sys.stdout.write(f"{scenario}: {len(functions)} modules, {total} functions\n")
    for place, (module, number) in enumerate(functions.items(), start=1):
        sys.stdout.write(f"  {place:3}  {module}  {number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
