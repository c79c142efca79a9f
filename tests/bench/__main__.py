"""`python -m tests.bench [--pairs N] [--seeds N] [name…]`: run the benchmarks, all of them but
`chaos` and `away` if none is named. With `--pairs` those that compare in pairs take so many
instead of nine, for a quick look; `chaos` takes so many seeds instead of five.

Prints ratios, each figure beside the thing that it is compared to, measured in the same run: bare
times say more about the machine than about the program. `costs` prints the figures with which
ARCHITECTURE.md calculates. A benchmark is a module of this package with a function
`measure() -> Sheet`, and an entry below. However it ends, no process and no file stays behind.
"""

import signal
import sys
from collections.abc import Callable
from typing import Final

from tests.bench import (
    aged,
    burst,
    chaos,
    costs,
    floor,
    front,
    idle,
    large,
    load,
    many,
    overlap,
    pages,
    uploads,
    workers,
)
from tests.bench.report import Sheet, show

BENCHES: dict[str, Callable[..., Sheet]] = {
    "burst": burst.measure,
    "idle": idle.measure,
    "aged": aged.measure,
    "size": aged.measure_size,
    "overlap": overlap.measure,
    "load": load.measure,
    "large": large.measure,
    "uploads": uploads.measure,
    "many": many.measure,
    "floor": floor.measure,
    "pages": pages.measure,
    "capped": uploads.measure_capped,
    "workers": workers.measure,
    "front": front.measure,
    "costs": costs.measure,
    "chaos": chaos.measure,
    "away": chaos.measure_away,
}

INTERRUPTED = 130
"""The exit code that shells give to what Ctrl-C has ended."""


IN_PAIRS = ("burst", "idle", "aged", "uploads", "capped", "overlap", "floor", "pages")
"""Benchmarks that compare pairs of runs."""


ONLY_NAMED: Final = ("chaos", "away")
"""Those that measure nothing: they show what holds."""
IN_SEEDS: Final = ("chaos",)


def main(words: list[str]) -> int:
    """Run the named benchmarks; return the exit code."""
    pairs, seeds = _option(words, "--pairs", 9), _option(words, "--seeds", 5)
    names = [word for word in words if word in BENCHES or not word.removeprefix("--").isdecimal()]
    names = [name for name in names if name not in {"--pairs", "--seeds"}]
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHES)}\n")
        return 2
    # SIGTERM ends it as Ctrl-C does, with everything tidied up on the way out.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        for name in names or [name for name in BENCHES if name not in ONLY_NAMED]:
            counts = [pairs] * (name in IN_PAIRS) + [seeds] * (name in IN_SEEDS)
            show(BENCHES[name](*counts))
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _option(words: list[str], name: str, default: int) -> int:
    return int(words[words.index(name) + 1]) if name in words else default


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
