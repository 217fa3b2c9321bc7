"""Randomized SVD in this library and in scikit-learn, in turns within one run: medians of time and error, and ratios.

The excess is the error of the factors in the Frobenius norm over that of the best ones, minus one: 0 is perfect. For it
both begin with the same random matrix. A ratio of times above 1 means that this library is faster; one of errors, that
it is nearer, or as near if it is 1 to rounding.
"""

import argparse
import os
import statistics
import time

import numpy as np
import scipy
import sklearn
from sklearn.utils.extmath import randomized_svd as theirs
from threadpoolctl import threadpool_info, threadpool_limits

from factorattn.factor import randomized_svd as ours

DECAYS = {
    "slow": lambda j: (1 + j) ** -0.5,
    "harmonic": lambda j: 1 / (1 + j),
    "fast": lambda j: 0.9**j,
    "step": lambda j: np.where(j < 50, 1.0, 1e-3),
}


def matrix(n, s, rng):
    """Singular values s between random Householder reflections: they need no decomposition, and fill every entry."""
    a = np.diag(s)
    for _ in range(3):
        for side in (0, 1):
            v = rng.standard_normal(n)
            v /= np.linalg.norm(v)
            a = a - 2 * np.outer(v, v @ a) if side == 0 else a - 2 * np.outer(a @ v, v)
    return a


def excess(a, best, u, s, vt):
    """Relative distance from the best error."""
    rest = a.astype(np.float64) - (u.astype(np.float64) * s.astype(np.float64)) @ vt.astype(np.float64)
    return np.linalg.norm(rest) / best - 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--dtype", choices=["float64", "float32"], action="append", help="may be repeated")
    parser.add_argument("--decay", choices=list(DECAYS), action="append", help="may be repeated")
    parser.add_argument("--power", type=int, action="append", help="n_iter of scikit-learn; may be repeated")
    parser.add_argument("--normalizer", choices=["auto", "QR", "LU", "none"], default="auto", help="of scikit-learn")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--clock", choices=["wall", "thread"], default="wall", help="thread: CPU time, 1 thread")
    options = parser.parse_args()
    if options.clock == "thread" and options.threads != 1:
        parser.error("--clock thread needs --threads 1")
    clock = time.perf_counter if options.clock == "wall" else time.thread_time
    n, rank, rng = options.size, options.rank, np.random.default_rng(0)
    blas = {f"{one['internal_api']} {one.get('architecture', '')}" for one in threadpool_info()}
    print(
        f"numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}; {', '.join(blas)},",
        end=" ",
    )
    print(f"OPENBLAS_CORETYPE {os.environ.get('OPENBLAS_CORETYPE', 'unset')};", end=" ")
    print(
        f"{n} x {n}, rank {rank}, oversampling 10, {options.normalizer} normalizer, {options.threads} threads,", end=" "
    )
    print(f"{options.clock} clock, medians of {options.repeats}")
    names = f"{'dtype':8} {'decay':9} {'power':>5} {'ours':>8} {'sklearn':>8} {'ratio':>6}"
    print(f"{names} {'excess':>9} {'sklearn':>9} {'ratio':>9}")
    with threadpool_limits(options.threads):
        for decay in options.decay or DECAYS:
            s = DECAYS[decay](np.arange(n))
            whole, best = matrix(n, s, rng), np.linalg.norm(s[rank:])
            for dtype in options.dtype or ["float64", "float32"]:
                a = whole.astype(dtype)
                for power in options.power or [2, 4, 7]:
                    line = measure(a, best, rank, power, options, clock)
                    print(f"{dtype:8} {decay:9} {power:5} " + line, flush=True)


class SameDraw(np.random.RandomState):
    """Makes scikit-learn begin with the numbers that this library draws from a seed."""

    def __init__(self, seed):
        super().__init__(0)
        self.numbers = np.random.default_rng(seed)

    def normal(self, loc=0.0, scale=1.0, size=None):
        return self.numbers.standard_normal(size[::-1]).T


def measure(a, best, rank, power, options, clock):
    """Times of both, a different seed in every turn, and errors from the same random matrices."""

    def run_ours(seed):
        svd = ours(a, rank, power=power, rng=seed)
        return svd.u, svd.s, svd.vt

    def run_theirs(state):
        normalizer = options.normalizer
        return theirs(a, rank, n_iter=power, power_iteration_normalizer=normalizer, random_state=state)

    times = [], []
    for seed in range(options.repeats + 1):
        for call, seconds in zip((run_ours, run_theirs), times, strict=True):
            start = clock()
            call(seed)
            seconds.append(clock() - start)
    t = [statistics.median(seconds[1:]) for seconds in times]  # the first turn warms up
    e = [
        statistics.median(excess(a, best, *out) for out in outs)
        for outs in (map(run_ours, range(3)), map(run_theirs, map(SameDraw, range(3))))
    ]
    told = f"{t[0] * 1e3:6.0f}ms {t[1] * 1e3:6.0f}ms {t[1] / t[0]:6.2f} {e[0]:9.2e} {e[1]:9.2e}"
    return f"{told} {(1 + e[1]) / (1 + e[0]):9.6f}"


if __name__ == "__main__":
    main()
