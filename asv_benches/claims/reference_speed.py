"""What the references reach without kernels: approximations against dense attention, sparsemax against softmax.

Calls take turns within one run; printed are medians and their ratio.
"""

import argparse
import os
import statistics
import time

import numpy as np

import factorattn as fa
from factorattn import distribution

CALLS = {
    "window 128": lambda q, k, v: fa.window_attention(q, k, v, window=128),
    "linformer 256": lambda q, k, v: fa.linformer_attention(q, k, v, rank=256),
    "nystrom 64": lambda q, k, v: fa.nystrom_attention(q, k, v, rank=64),
    "linear": lambda q, k, v: fa.linear_attention(q, k, v),
    "performer 256": lambda q, k, v: fa.performer_attention(q, k, v, rank=256, rng=0),
}
SCORES = (8, 1024, 1024)


def medians(calls, repeats):
    """Median seconds of each call, one after the other in every round."""
    times = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(repeats):
        for call, log in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            log.append(time.perf_counter() - start)
    return [statistics.median(log) for log in times]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=4096)
    parser.add_argument("--d", type=int, default=64)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    told = f"OPENBLAS_CORETYPE {os.environ.get('OPENBLAS_CORETYPE', 'unset')}"
    print(f"numpy {np.__version__}, {os.cpu_count()} CPUs, float32, no kernels, {told}, medians of {options.repeats}")
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((3, options.heads, options.n, options.d), dtype=np.float32)
    with fa.kernels("off"):
        calls = [lambda: fa.softmax_attention(q, k, v, form="dense")]
        calls += [lambda call=call: call(q, k, v) for call in CALLS.values()]
        exact, *others = medians(calls, options.repeats)
        print(f"softmax, dense, n = {options.n}, d = {options.d}, {options.heads} heads: {exact * 1e3:.0f} ms")
        for name, seconds in zip(CALLS, others, strict=True):
            print(f"  {name:14} {seconds * 1e3:7.1f} ms   {exact / seconds:5.1f} times as fast")
        a = rng.standard_normal(SCORES, dtype=np.float32)
        named = {name: getattr(distribution, name) for name in ("softmax", "sparsemax", "entmax", "sigmoid")}
        found = medians([lambda f=f: f(a) for f in named.values()], options.repeats)
        print(f"distributions of {' x '.join(map(str, SCORES))} scores")
        for name, seconds in zip(named, found, strict=True):
            print(f"  {name:14} {seconds * 1e3:7.1f} ms   {seconds / found[0]:5.1f} times the time of softmax")


if __name__ == "__main__":
    main()
