"""Threads that share work by tickets: nothing they use is given back before they are done."""

import gc
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from factorattn.primitives.threads_numba import run_on_threads

INTERRUPTED = """
import os, signal, threading, time
import numpy as np
import factorattn as fa

q, k, v = np.random.default_rng(0).standard_normal((3, 4, 3000, 64)).astype(np.float32)
fa.softmax_attention(q[:, :9], k, v)  # compile
for delay in np.linspace(0.001, 0.05, 25):
    threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        for _ in range(50):
            fa.softmax_attention(q.copy(), k.copy(), v.copy())
    except KeyboardInterrupt:
        continue
    time.sleep(0.1)
print("alive")
"""


class Held:
    """Something whose end can be seen."""


def test_an_exception_waits_for_the_helpers_and_what_they_use_stays_alive():
    held, begun, go_on, seen = Held(), threading.Event(), threading.Event(), []
    watch, caller = weakref.ref(held), threading.get_ident()

    def work():
        if threading.get_ident() == caller:
            begun.wait(10)
            threading.Timer(0.2, go_on.set).start()
            raise RuntimeError("the caller failed")
        begun.set()
        go_on.wait(10)
        gc.collect()
        seen.append(watch() is not None)

    def call(held):
        run_on_threads(work, at_most=2, keep=held)

    keep, held = [held], None
    with pytest.raises(RuntimeError, match="the caller failed"):
        call(keep.pop())
    assert seen == [True]  # the helper was done, and its arrays were still there


def test_an_exception_of_a_helper_reaches_the_caller():
    caller, begun = threading.get_ident(), threading.Event()

    def work():
        if threading.get_ident() == caller:
            begun.wait(10)
            return
        begun.set()
        raise RuntimeError("a helper failed")

    with pytest.raises(RuntimeError, match="a helper failed"):
        run_on_threads(work, at_most=2, keep=None)


def test_interrupts_at_any_moment_leave_the_process_sound():
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), (done.stderr, time.monotonic() - start)


def test_helpers_do_their_share():
    drawn = np.zeros(2, dtype=np.int64)
    both = threading.Barrier(2, timeout=10)

    def work():
        drawn[both.wait()] += 1

    run_on_threads(work, at_most=2, keep=None)
    np.testing.assert_array_equal(drawn, [1, 1])
