"""A place in a thread where a call waits until the test, or the flag of its transfer, lets it go
on.
"""

import asyncio
import threading

from bot.transfer.pool import current_flag


class Gate:
    """Made inside a running loop; called in threads. `reached` tells the loop that a thread is
    there. With `hears_flag` it behaves like a socket that the flag cuts.
    """

    def __init__(self, *, hears_flag: bool = False) -> None:
        self.reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._open = threading.Event()
        self._hears_flag = hears_flag

    def open(self) -> None:
        """Let every thread through, now and later."""
        self._open.set()

    def __call__(self) -> None:
        """Wait; raises `TransferCancelled` if the flag was set."""
        self._loop.call_soon_threadsafe(self.reached.set)
        flag = current_flag()
        if not self._hears_flag or flag is None:
            assert self._open.wait(20), "nobody opened the gate"
            return
        with flag.calling(self._open.set):
            assert self._open.wait(20), "nobody opened the gate"
        flag.raise_if_set()
