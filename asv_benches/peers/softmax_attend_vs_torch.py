"""Softmax attention in this library and in torch, in turns within one run: medians in GFLOP/s, and their ratio.

Threads of torch spin for a while after a call; the pause between calls keeps them from taking the next one's
processors.
"""

import argparse
import os
import statistics
import time

import numba
import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from factorattn.primitives.dispatch import kernels
from factorattn.primitives.softmax_attend import softmax_attend

SHAPES = [(1024, 64), (4096, 64), (4096, 128), (1000, 80), (1024, 32), (1024, 96)]
CASES = ["plain", "causal", "mask", "bias"]


def prepare(n, d, case, heads, rng):
    """Both calls for one case, and their floating-point operations: of the allowed half where it is causal."""
    q, k, v = (rng.standard_normal((heads, n, d)).astype(np.float32) for _ in range(3))
    mask, bias = rng.random((n, n)) < 0.7, rng.standard_normal((n, n)).astype(np.float32)
    ours, theirs = {
        "plain": ({}, {}),
        "causal": ({"band": (None, 0)}, {"is_causal": True}),
        "mask": ({"mask": mask}, {"attn_mask": torch.from_numpy(mask)}),
        "bias": ({"bias": bias}, {"attn_mask": torch.from_numpy(bias)}),
    }[case]
    tensors = [torch.from_numpy(x)[None] for x in (q, k, v)]
    flops = 4 * heads * n * n * d / (2 if case == "causal" else 1)

    def run_ours():
        with kernels("require"):
            return softmax_attend(q, k, v, scale=d**-0.5, **ours)[0]

    return run_ours, lambda: scaled_dot_product_attention(*tensors, **theirs)[0].numpy(), flops


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=2, action="append", metavar=("N", "D"), help="may be repeated")
    parser.add_argument("--case", choices=CASES, action="append", help="may be repeated")
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--threads", type=int, default=numba.config.NUMBA_NUM_THREADS)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds before every call")
    parser.add_argument("--clock", choices=["wall", "thread"], default="wall", help="thread: CPU time, 1 thread")
    options = parser.parse_args()
    if options.clock == "thread" and options.threads != 1:
        parser.error("--clock thread needs --threads 1")
    clock = time.perf_counter if options.clock == "wall" else time.thread_time
    numba.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    print(f"numpy {np.__version__}, numba {numba.__version__}, torch {torch.__version__};", end=" ")
    print(f"float32, {options.heads} heads, {options.threads} threads, {options.clock} clock,", end=" ")
    print(f"medians of {options.repeats}, OPENBLAS_CORETYPE {os.environ.get('OPENBLAS_CORETYPE', 'unset')}")
    print(f"{'n':>6} {'d':>4} {'case':7} {'ours':>7} {'torch':>7} {'ratio':>6}")
    rng = np.random.default_rng(0)
    for n, d in options.shape or SHAPES:
        for case in options.case or CASES:
            *calls, flops = prepare(n, d, case, options.heads, rng)
            ours, theirs = (call() for call in calls)  # compiles, warms up
            if not np.allclose(ours, theirs, atol=1e-4):
                raise SystemExit(f"n = {n}, d = {d}, {case}: the outputs differ")
            times = [[], []]
            for _ in range(options.repeats):
                for call, log in zip(calls, times, strict=True):
                    time.sleep(options.pause)
                    start = clock()
                    call()
                    log.append(clock() - start)
            ours, theirs = map(statistics.median, times)
            speeds = [flops / seconds / 1e9 for seconds in (ours, theirs)]
            print(f"{n:6} {d:4} {case:7} {speeds[0]:7.0f} {speeds[1]:7.0f} {theirs / ours:6.2f}", flush=True)


if __name__ == "__main__":
    main()
