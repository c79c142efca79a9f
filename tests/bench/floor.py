"""The floor of an upload that checks its bytes: threads that read, compute the CRC-64 and send,
and nothing else, beside opendal, which computes none, and our engine; against the C sink.

`python -m tests.bench floor`
"""

import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bot.transfer.body import BLOCK, crc64
from tests.bench.report import Sheet, spread
from tests.bench.sink import build_sink, serving
from tests.bench.uploads import MIB, NO_SINK, SIZE, best_of_opendal, make_file, ours_on, run
from tests.sandbox import environments

CONNECTIONS: Final = 8
PART: Final = 8 * MIB
BARE: Final = {"read, CRC-64, send": "crc", "read, send": "plain"}


def measure(pairs: int = 9) -> Sheet:
    """Measure all of them in turn, `pairs` times."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        binary = build_sink(Path(name))
        path = make_file(Path(name), SIZE)
        with serving(binary, latency=0, rate=0) as endpoint:
            commands = _commands(endpoint, path)
            turns = [{who: run(one) for who, one in commands.items()} for _ in range(pairs)]
    rows = [
        (
            who,
            spread([turn[who].cpu for turn in turns], "{:.2f} s"),
            spread([SIZE / turn[who].seconds / 1e6 for turn in turns], "{:.0f} MB/s"),
            spread([turn["opendal"].seconds / turn[who].seconds for turn in turns], "{:.2f} ×"),
        )
        for who in commands
        if "opendal" in commands
    ]
    notes = [f"{SIZE // MIB} MiB over {CONNECTIONS} connections, parts of {PART // MIB} MiB."]
    if binary is None:
        notes.append(NO_SINK)
    columns = ("who", "CPU", "speed", "in terms of opendal")
    return Sheet("floor: what reading, checking and sending takes alone", columns, rows, notes)


def _commands(endpoint: str, path: Path) -> dict[str, Sequence[str]]:
    bare = [sys.executable, "-m", "tests.bench.floor", endpoint, str(path)]
    commands: dict[str, Sequence[str]] = {who: [*bare, mode] for who, mode in BARE.items()}
    commands["our engine"] = ours_on("ours", endpoint, path)
    try:
        commands["opendal"], _ = best_of_opendal(endpoint, path)
    except environments.Unavailable:
        sys.stderr.write("opendal cannot be installed here\n")
    return commands


class Bare:
    """Uploads the parts of a file by threads that do no more than they must."""

    def __init__(self, endpoint: str, path: str, *, checks: bool) -> None:
        address = urlsplit(endpoint)
        self._address = (address.hostname or "", address.port or 0)
        self._file = os.open(path, os.O_RDONLY)
        size = os.fstat(self._file).st_size
        self._parts = [(at, min(PART, size - at)) for at in range(0, size, PART)]
        self._checks = checks

    def run(self) -> None:
        """Upload everything."""
        threads = [threading.Thread(target=self._work) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        with socket.create_connection(self._address) as connection:
            while self._parts:
                at, size = self._parts.pop()
                line = f"PUT /b/k?partNumber={at // PART + 1} HTTP/1.1"
                head = f"{line}\r\nContent-Length: {size}\r\n\r\n"
                connection.sendall(head.encode())
                self._send(connection, at, size)
                connection.recv(4096)

    def _send(self, connection: socket.socket, at: int, size: int) -> None:
        checksum, end = 0, at + size
        while at < end:
            block = os.pread(self._file, min(BLOCK, end - at), at)
            if self._checks:
                checksum = crc64(block, checksum)
            connection.sendall(block)
            at += len(block)


def main(endpoint: str, path: str, mode: str) -> None:
    """Upload with threads alone, and print what it took."""
    bare = Bare(endpoint, path, checks=mode == "crc")
    begun, cpu = time.perf_counter(), time.process_time()
    bare.run()
    figures = {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "rss": 0,
    }
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
