"""`python -m tests.bench [--pairs N] [name…]`: run the benchmarks, all of them if none is named.
With `--pairs` those that compare in pairs take so many instead of nine, for a quick look.

Prints ratios only, each figure beside the thing that it is compared to, measured in the same run:
bare times say more about the machine than about the program. A benchmark is a module of this
package with a function `measure() -> Sheet`, and an entry below. However it ends, no process and
no file stays behind.
"""

import signal
import sys
from collections.abc import Callable

from tests.bench import aged, burst, floor, idle, large, load, many, overlap, pages, uploads
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
}

INTERRUPTED = 130
"""The exit code that shells give to what Ctrl-C has ended."""


IN_PAIRS = ("burst", "idle", "aged", "uploads", "capped", "overlap", "floor", "pages")
"""Benchmarks that compare pairs of runs."""


def main(words: list[str]) -> int:
    """Run the named benchmarks; return the exit code."""
    pairs = int(words[words.index("--pairs") + 1]) if "--pairs" in words else 9
    names = [word for word in words if word in BENCHES or not word.removeprefix("--").isdecimal()]
    names = [name for name in names if name != "--pairs"]
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHES)}\n")
        return 2
    # SIGTERM ends it as Ctrl-C does, with everything tidied up on the way out.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        for name in names or list(BENCHES):
            show(BENCHES[name](pairs) if name in IN_PAIRS else BENCHES[name]())
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
