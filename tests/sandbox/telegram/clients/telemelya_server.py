"""Runs telemelya, a mock of the Bot API, in the environment that `environments.py` makes.

Reads a job (JSON) from standard input, with the address of a store that speaks S3, and prints its
own port. The database that it needs, Redis, is an imitation in memory.
"""

import json
import os
import socket
import sys
import threading

JOB = json.load(sys.stdin)


def listener() -> socket.socket:
    """Return a socket that listens on a free port of 127.0.0.1."""
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    found.listen()
    return found


def main() -> None:
    """Run until killed."""
    # They live in an environment of their own.
    import uvicorn  # type: ignore[import-not-found]
    from fakeredis import TcpFakeServer  # type: ignore[import-not-found]

    database = TcpFakeServer(("127.0.0.1", 0))
    threading.Thread(target=database.serve_forever, daemon=True).start()
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{database.server_address[1]}/0"
    os.environ["MINIO_ENDPOINT"] = JOB["store"]
    # Its settings are read at import.
    from telemelya.server.app import app  # type: ignore[import-not-found]

    server = listener()
    sys.stdout.write(f"{server.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[server])


main()
