"""Processes that tests start."""

import signal

__all__ = ["heed_interrupts"]


def heed_interrupts():
    """As ``preexec_fn``: Ctrl-C is heard, also where a shell in the background lets its children ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
