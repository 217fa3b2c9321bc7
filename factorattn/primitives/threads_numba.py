"""A compiled function on several threads at once, which share the work out among themselves by drawing tickets.

Plain Python threads suffice, since compiled code lets go of the interpreter. Unlike Numba's parallel regions they may
be used by many callers at once, under any threading layer, and after a fork. The caller works too: it draws all the
tickets itself if the processors are taken and no other thread gets to run, where a parallel region would wait for
one.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from llvmlite import ir
from numba import get_num_threads, types

from factorattn.primitives.register_tile_numba import intrinsic

__all__ = ["run_on_threads", "take_ticket"]


@cache
def _pool(_process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="factorattn")


def run_on_threads(work: Callable, *args: Any, at_most: int, keep: Any) -> None:
    """Call ``work(*args)`` on at most `at_most` and `numba.get_num_threads()` threads; return when all are done.

    `keep` is what the addresses among `args` point into: it stays alive as long as any thread may still use it, and no
    exception, not even an interrupt, leaves before all threads are done.
    """
    tasks: list[Future] = []
    try:
        for _ in range(min(at_most, get_num_threads()) - 1):
            try:
                tasks.append(_pool(os.getpid()).submit(_run, work, args, keep))  # a forked child has no threads yet
            except RuntimeError:  # the interpreter is ending: no more threads, but the caller draws all tickets itself
                break
        work(*args)
    finally:
        _settle(tasks)


def _run(work: Callable, args: tuple, keep: Any) -> None:
    work(*args)


def _settle(tasks: list[Future]) -> None:
    """Wait for the tasks that have begun, whatever happens, and raise what happened at the end."""
    raised: BaseException | None = None
    while tasks:
        try:
            if not tasks[-1].cancel():  # those that have not begun would find no tickets any more
                raised = tasks[-1].exception() or raised
            tasks.pop()
        except KeyboardInterrupt as interrupt:
            raised = interrupt
    if raised is not None:
        raise raised


@intrinsic
def take_ticket(context, counter):
    """Add one to the integer at the byte address `counter`, at once for all threads, and give what it was."""

    def codegen(context, builder, signature, args):
        index = ir.IntType(64)
        return builder.atomic_rmw("add", builder.inttoptr(args[0], index.as_pointer()), index(1), "monotonic")

    return types.intp(types.intp), codegen
