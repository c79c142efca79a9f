#!/usr/bin/env python3
"""Entry point of the image: `entrypoint.py COMMAND [OPTION…]` is `relay-bot COMMAND [OPTION…]`.

`run` needs a service manager, and a container engine is a poor one. This process does what
relay-bot.service does under systemd:

* Exit code 2, bad settings, becomes 0, because engines only know "0" and "not 0", and
  `restart: on-failure` would repeat the start for ever.
* A bot that was told to stop ends with 143, as a program without a handler does. With 0 an engine
  that stops for a reboot would not start the bot again (moby/moby#12593).
* A bot whose event loop hangs is killed and thereby restarted. Engines restart nothing because it
  is unhealthy (moby/moby#28400).

All other commands replace this process and keep their exit codes. It needs nothing but Python.
"""

import os
import signal
import socket
import subprocess
import sys
import threading

PROGRAM = "relay-bot"
BAD_SETTINGS = 2
STOPPED = 128 + signal.SIGTERM
WATCHDOG = float(os.environ.get("WATCHDOG_SECONDS", "60"))
"""Seconds without a sign of life, after the first one, until a bot counts as hanging."""


def kill_when_it_hangs(bot: subprocess.Popen[bytes], signs: socket.socket) -> None:
    """Wait for signs of life until there are none any more, then kill the bot. Blocks."""
    signs.recv(1024)
    signs.settimeout(WATCHDOG / 2)
    missed = 0
    # Two halves: after a pause of the container the first one is over at once.
    while missed < 2:
        try:
            signs.recv(1024)
            missed = 0
        except TimeoutError:
            missed += 1
    print(f"{PROGRAM}: the event loop hangs; it is killed", file=sys.stderr, flush=True)
    bot.kill()


def run(command: list[str]) -> int:
    """Run the bot to its end, and return the exit code for the engine."""
    told: list[int] = []
    begun: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: object) -> None:
        told.append(number)
        for bot in begun:
            bot.send_signal(number)

    # Before the bot begins: a first process gets no signal that it has no handler for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)

    # Open until this process ends, because the other thread waits in it.
    signs = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    # An address without a file, because the root file system is read-only.
    signs.bind("")
    address = signs.getsockname().decode().replace("\0", "@", 1)
    watched = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))}
    # A session of its own: Ctrl-C must not reach it twice, which means "at once".
    bot = subprocess.Popen(command, env={**os.environ, **watched}, start_new_session=True)
    begun.append(bot)
    if told:
        bot.send_signal(told[-1])
    threading.Thread(target=kill_when_it_hangs, args=(bot, signs), daemon=True).start()
    code = bot.wait()
    if code == BAD_SETTINGS:
        print(f"{PROGRAM}: stays down until it is started by hand", file=sys.stderr, flush=True)
        return 0
    if told and code == 0:
        return STOPPED
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    words = [PROGRAM, *sys.argv[1:]]
    if sys.argv[1:2] != ["run"] or "--check" in sys.argv:
        os.execvp(words[0], words)
    code = run(words)
    sys.stdout.flush()
    # Not sys.exit: the other thread waits in a socket.
    os._exit(code)
