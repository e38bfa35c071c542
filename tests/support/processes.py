"""Signals to children of this process."""

import asyncio
import os
import signal


def send_signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal a child, if it is still there.

    Not `process.send_signal`: that polls the child first and may reap it before asyncio's own watcher does, which then
    reports a wrong exit code.
    """
    if process.returncode is None:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return
