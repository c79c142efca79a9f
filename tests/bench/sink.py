"""Something fast to upload to: the sink in C, or where it cannot be built the OSS stand-in."""

import asyncio
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.sandbox.oss import OssStandIn
from bot.sandbox.shaping import Shape

SOURCE = Path(__file__).with_name("oss_sink.c")
LIBRARIES = ("-llzma", "-lssl", "-lcrypto", "-lpthread")
BUCKET = "bench-bucket"


def build_sink(folder: Path) -> Path | None:
    """Compile the sink into `folder`; `None` without a compiler or the headers it needs."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    binary = folder / "oss_sink"
    built = subprocess.run(
        [compiler, "-O2", "-o", str(binary), str(SOURCE), *LIBRARIES],
        capture_output=True,
        check=False,
    )
    return binary if built.returncode == 0 else None


@contextmanager
def serving(binary: Path | None, *, latency: float, rate: int) -> Iterator[str]:
    """Serve on loopback and yield the endpoint; `latency` in seconds per request, `rate` in bytes
    per second and connection, 0 for no cap.
    """
    if binary is None:
        with _stand_in(Shape(latency=latency, up_per_connection=rate or None)) as endpoint:
            yield endpoint
        return
    command = [str(binary), "0", str(round(latency * 1000)), str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@contextmanager
def _stand_in(shape: Shape) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    with tempfile.TemporaryDirectory() as folder:
        server = OssStandIn(Path(folder), shape=shape)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
            server.add_bucket(BUCKET)
            yield server.endpoint
            asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
