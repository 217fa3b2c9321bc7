"""What the way back through exact attention costs: time beside that of the call, and memory beside the definition's.

Of `factorattn.softmax_attention`, forwards and backwards: as it is, with a compiled kernel forwards and a backward of
its own; without either, the tiles of the reference being recorded; the definition, recorded; and torch, where it is
installed. Time is the processor's, the least of a few calls; memory is the peak of what NumPy allocates in `grad`, in
both directions. Prints the tables of docs/gradient.md::

    OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python asv_benches/claims/gradient_ratios.py
"""

import os
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import array_api_compat
import numpy as np

from factorattn import grad, kernels, softmax_attention, vjp

HEADS, N, WIDTH = 2, 2048, 64
LENGTHS = (1024, 2048, 4096)  # for memory
REPEATS = 5


def drawn(*shape: int, arrays: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype("float32") for _ in range(arrays)]


def milliseconds(f: Callable[[], Any]) -> float:
    """Of the processor, the least of a few calls after one that compiles."""
    f()
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        f()
        found.append(time.process_time() - start)
    return 1e3 * min(found)


def ours(causal: bool, form: str = "online", kernel: str = "auto") -> tuple[float, float]:
    """Forwards on plain arrays, and backwards from what `vjp` kept."""
    q, k, v, g = drawn(HEADS, N, WIDTH, arrays=4)
    f = partial(softmax_attention, causal=causal, form=form)
    with kernels(kernel):
        pullback = vjp(f, q, k, v)[1]
        return milliseconds(lambda: f(q, k, v)), milliseconds(lambda: pullback(g))


def of_torch(causal: bool) -> tuple[float, float]:
    import torch

    torch.set_num_threads(1)
    *inputs, g = (torch.asarray(x[None]) for x in drawn(HEADS, N, WIDTH, arrays=4))
    plain = torch.nn.functional.scaled_dot_product_attention
    inputs = [x.requires_grad_() for x in inputs]
    o = plain(*inputs, is_causal=causal)
    forward = milliseconds(lambda: plain(*inputs, is_causal=causal))
    return forward, milliseconds(lambda: torch.autograd.grad(o, inputs, g, retain_graph=True))


def peak(n: int, form: str) -> float:
    """MiB that a gradient by queries, keys and values holds at most, beside these."""

    def loss(q, k, v):
        return array_api_compat.array_namespace(q).sum(softmax_attention(q, k, v, form=form))

    whole, inputs = grad(loss, argnums=(0, 1, 2)), drawn(n, WIDTH, arrays=3)
    whole(*inputs)  # compiled, if it is to be
    tracemalloc.start()
    whole(*inputs)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found / 2**20


def main() -> None:
    names = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    print(", ".join(f"{name}={os.environ.get(name, '(unset)')}" for name in names))
    print(f"\n{HEADS} heads, {N} tokens, width {WIDTH}, float32\n")
    print("| | causal | forward ms | back ms | back / forward |\n|---|---|---|---|---|")
    for causal in (False, True):
        ways = {
            "as it is": partial(ours, causal),
            'kernels("off")': partial(ours, causal, kernel="off"),
            'form="dense"': partial(ours, causal, form="dense"),
            "torch": partial(of_torch, causal),
        }
        for name, measure in ways.items():
            try:
                forward, back = measure()
            except ImportError:
                continue
            print(f"| {name} | {causal} | {forward:.0f} | {back:.0f} | {back / forward:.1f} |", flush=True)
    print("\n| tokens | online MiB | dense MiB |\n|---|---|---|")
    for n in LENGTHS:
        print(f"| {n} | {peak(n, 'online'):.1f} | {peak(n, 'dense'):.1f} |", flush=True)


if __name__ == "__main__":
    main()
