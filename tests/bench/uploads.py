"""The upload engine against opendal at its best, against the SDK's own uploader, and against the
rate that a number of capped connections have.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.report import Sheet, bar, least, spread
from tests.bench.sink import BUCKET, build_sink, serving
from tests.sandbox import environments

MIB: Final = 1 << 20
TIMEOUT: Final = 120.0
"""Seconds for one upload, which takes a tenth of it."""
SIZE: Final = 512 * MIB
LATENCIES: Final = (0.0, 0.030)
SETTINGS: Final = ((4, 1), (8, 1), (8, 4), (16, 4), (16, 8), (32, 4))
"""Parts at once, and MiB of a part, of which opendal's best are taken."""
SDK_SIZE: Final = 128 * MIB
CAP: Final = 5_000_000
"""Bytes per second that a capped connection has."""
CAPPED_SIZE: Final = 32 * MIB
"""Bytes for each connection."""
CAPPED: Final = {8: "ours", 16: "ours16"}
NO_SINK: Final = (
    "The C sink could not be built (cc, liblzma and OpenSSL headers are needed): measured against"
    " the OSS stand-in in Python, which is the bottleneck where nothing is capped."
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one upload took: seconds, seconds of CPU, bytes of memory more than before."""

    seconds: float
    cpu: float
    rss: float


def measure(pairs: int = 9) -> Sheet:
    """Compare the uploaders in turn, `pairs` times on each line."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        folder = Path(name)
        binary = build_sink(folder)
        path, small = make_file(folder, SIZE), make_file(folder, SDK_SIZE)
        rows: list[Sequence[str]] = []
        notes = [f"{SIZE // MIB} MiB; ours with 8 connections, every part and the object checked."]
        for latency in LATENCIES:
            with serving(binary, latency=latency, rate=0) as endpoint:
                rows += _against_opendal(latency, endpoint, path, pairs, notes)
                rows.append(_against_sdk(latency, endpoint, small, pairs))
    if binary is None:
        notes.append(NO_SINK)
    columns = ("figure", "ours", "others", "ratio", "bar")
    return Sheet("uploads: ours against opendal and the SDK", columns, rows, notes)


def measure_capped(pairs: int = 9) -> Sheet:
    """Upload over capped connections, `pairs` times with each number of them."""
    rows: list[Sequence[str]] = []
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        folder = Path(name)
        binary = build_sink(folder)
        with serving(binary, latency=0.030, rate=CAP) as endpoint:
            for connections, who in CAPPED.items():
                path = make_file(folder, connections * CAPPED_SIZE)
                runs = [run(ours_on(who, endpoint, path)) for _ in range(pairs)]
                shares = [CAPPED_SIZE / run.seconds / CAP for run in runs]
                shown = spread([share * 100 for share in shares], "{:.1f} %")
                rows.append((f"{connections} connections", shown, least(shares, 0.97, "{:.2f}")))
    title = f"capped: connections with 30 ms and {CAP / 1e6:.0f} MB/s each"
    notes = [f"{CAPPED_SIZE // MIB} MiB for each connection."]
    if binary is None:
        notes.append(NO_SINK)
    return Sheet(title, ("line", "of the cap", "bar"), rows, notes)


def _against_opendal(
    latency: float, endpoint: str, path: Path, pairs: int, notes: list[str]
) -> list[Sequence[str]]:
    line = f"{latency * 1000:.0f} ms, opendal"
    try:
        best, name = best_of_opendal(endpoint, path)
    except environments.Unavailable as error:
        return [(line, "", "", f"not measured: {error}", "")]
    notes.append(f"{line} at its best: {name}.")
    ours, others = _pairs(ours_on("ours", endpoint, path), best, pairs)
    memory = [one.rss / max(other.rss, 1) for one, other in zip(ours, others, strict=True)]
    return [
        _speed(f"{line}, speed", path, ours, others, 1.0),
        (
            f"{line}, memory",
            spread([one.rss / MIB for one in ours], "{:.0f} MiB"),
            spread([one.rss / MIB for one in others], "{:.0f} MiB"),
            spread(memory, "{:.2f} ×"),
            bar(memory, 0.2, "{:.1f} ×"),
        ),
        (
            f"{line}, CPU",
            spread([one.cpu for one in ours], "{:.2f} s"),
            spread([one.cpu for one in others], "{:.2f} s"),
            spread([a.cpu / b.cpu for a, b in zip(ours, others, strict=True)], "{:.2f} ×"),
            "",
        ),
    ]


def best_of_opendal(endpoint: str, path: Path) -> tuple[Sequence[str], str]:
    """Return the command of the quickest of `SETTINGS`, and its name.

    Raises:
        Unavailable: opendal cannot be installed here.
    """
    python = environments.python(environments.FOLDERS[0])
    script = Path(__file__).with_name("opendal_case.py")
    base = [str(python), str(script), endpoint, BUCKET, str(path)]
    commands = {given: [*base, str(given[0]), str(given[1] * MIB)] for given in SETTINGS}
    tried = {given: run(command).seconds for given, command in commands.items()}
    at_once, chunk = best = min(tried, key=tried.__getitem__)
    return commands[best], f"{at_once} parts of {chunk} MiB at once"


def _against_sdk(latency: float, endpoint: str, path: Path, pairs: int) -> Sequence[str]:
    # It takes five times as long: a third of the pairs is enough.
    few = max(1, pairs // 3)
    ours, others = _pairs(ours_on("ours", endpoint, path), ours_on("sdk8", endpoint, path), few)
    line = f"{latency * 1000:.0f} ms, the SDK with 8 × 8 MiB, speed"
    return _speed(line, path, ours, others, 1.0)


def _speed(
    name: str, path: Path, ours: Sequence[Outcome], others: Sequence[Outcome], most: float
) -> Sequence[str]:
    size = path.stat().st_size
    ratios = [other.seconds / one.seconds for one, other in zip(ours, others, strict=True)]
    form = "{:.0f} MB/s"
    return (
        name,
        spread([size / one.seconds / 1e6 for one in ours], form),
        spread([size / one.seconds / 1e6 for one in others], form),
        spread(ratios, "{:.2f} ×"),
        least(ratios, most, "{:.1f} ×"),
    )


def _pairs(
    ours: Sequence[str], others: Sequence[str], pairs: int
) -> tuple[list[Outcome], list[Outcome]]:
    both = [(run(ours), run(others)) for _ in range(pairs)]
    return [one for one, _ in both], [other for _, other in both]


def ours_on(who: str, endpoint: str, path: Path) -> Sequence[str]:
    """Return the command of a case of `upload_case`."""
    return [sys.executable, "-m", "tests.bench.upload_case", who, endpoint, str(path)]


def run(command: Sequence[str]) -> Outcome:
    """Run an upload and return what it took."""
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=TIMEOUT)
    return Outcome(**json.loads(done.stdout))


def make_file(folder: Path, size: int) -> Path:
    """Write a file of so many bytes."""
    path = folder / f"{size}.bin"
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(block)
    return path
