"""`python -m tests.bench [name…]`: run the benchmarks, all of them if none is named.

Prints ratios only, each figure beside the thing that it is compared to, measured in the same run:
bare times say more about the machine than about the program. A benchmark is a module of this
package with a function `measure() -> Sheet`, and an entry below. However it ends, no process and
no file stays behind.
"""

import signal
import sys
from collections.abc import Callable

from tests.bench import burst, large, load, overlap, uploads
from tests.bench.report import Sheet, show

BENCHES: dict[str, Callable[[], Sheet]] = {
    "burst": burst.measure,
    "overlap": overlap.measure,
    "load": load.measure,
    "large": large.measure,
    "uploads": uploads.measure,
}

INTERRUPTED = 130
"""The exit code that shells give to what Ctrl-C has ended."""


def main(names: list[str]) -> int:
    """Run the named benchmarks; return the exit code."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHES)}\n")
        return 2
    # SIGTERM ends it as Ctrl-C does, with everything tidied up on the way out.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        for name in names or list(BENCHES):
            show(BENCHES[name]())
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
