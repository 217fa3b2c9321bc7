"""When two thin products take less time than one: x W^T against (x A^T) B^T, over the rank; and a whole model.

For W (p, q) the factors have fewer numbers, and take fewer operations, below the break-even rank p q / (p + q). Calls
take turns within one run; printed are medians over the rounds of their ratios. Time is processor time with one thread
of the BLAS, so that what else the machine does counts little.

    python asv_benches/claims/factored_time.py                 # products of matrices; two minutes
    python asv_benches/claims/factored_time.py --picture FILE  # and draw them
    python asv_benches/claims/factored_time.py --model         # sentences through all-MiniLM-L6-v2 (extra: peers)
"""

import argparse
import os
import time

import numpy as np
from threadpoolctl import threadpool_limits

from factorattn.compress import break_even_rank

SHAPES = ((384, 384), (1536, 384), (4096, 4096))
TOKENS = (1, 32, 512)
SHARES = (0.125, 0.25, 0.5, 0.75, 0.875, 1.0, 1.125)  # of the break-even rank
SHORTEST = 0.02  # seconds that a measurement takes at the least


def ratios(calls, rounds):
    """Median over the rounds of each call's time over that of the first, and the first one's median in seconds."""
    repeats = []
    for call in calls:
        call()
        start = time.process_time()
        call()
        repeats.append(1 + int(SHORTEST / max(time.process_time() - start, 1e-9)))
    log = []
    for _ in range(rounds):
        taken = []
        for call, times in zip(calls, repeats, strict=True):
            start = time.process_time()
            for _ in range(times):
                call()
            taken.append((time.process_time() - start) / times)
        log.append(taken)
    log = np.asarray(log)
    return np.median(log / log[:, :1], axis=0), float(np.median(log[:, 0]))


def measured(p, q, tokens, rounds, rng):
    """Ratios of time at ranks that are shares of the break-even rank, the ranks, and the dense product's seconds."""
    x, w = rng.standard_normal((tokens, q), dtype=np.float32), rng.standard_normal((p, q), dtype=np.float32)
    ranks = [max(1, round(share * break_even_rank(p, q))) for share in SHARES]
    pairs = [(rng.standard_normal((p, r), np.float32), rng.standard_normal((r, q), np.float32)) for r in ranks]
    calls = [lambda: x @ w.T, *(lambda b=b, a=a: (x @ a.T) @ b.T for b, a in pairs)]
    ratio, seconds = ratios(calls, rounds)
    return ranks, ratio[1:], seconds


def crossing(ranks, ratio):
    """The rank at which the ratio passes one, between the measured ones; None if it does not."""
    for i in range(len(ranks) - 1):
        if ratio[i] <= 1 < ratio[i + 1]:
            return ranks[i] + (ranks[i + 1] - ranks[i]) * (1 - ratio[i]) / (ratio[i + 1] - ratio[i])
    return None


def products(rounds):
    """Print a table, and return what a picture needs: (shape, tokens, ratios)."""
    print(f"numpy {np.__version__}, {os.cpu_count()} CPUs, float32, medians of {rounds} rounds\n")
    heads = ["matrix", "tokens", "dense", *(f"{share:g} r*" for share in SHARES), "r*", "as fast at rank"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    rng, found = np.random.default_rng(0), []
    for p, q in SHAPES:
        for tokens in TOKENS:
            ranks, ratio, seconds = measured(p, q, tokens, rounds, rng)
            even = crossing(ranks, ratio)
            told = f"{even:.0f}" if even else ("below all" if ratio[0] > 1 else "above all")
            cells = [f"{p} x {q}", str(tokens), f"{seconds * 1e3:.3g} ms", *(f"{x:.2f}" for x in ratio)]
            print("| " + " | ".join([*cells, str(break_even_rank(p, q)), told]) + " |", flush=True)
            found.append(((p, q), tokens, ratio))
    return found


def draw(found, path):
    """Time over that of the dense product, over the rank as a share of the break-even rank."""
    import matplotlib.pyplot as plt

    figure, rows = plt.subplots(1, len(SHAPES), figsize=(10, 3.4), layout="constrained", sharey=True)
    for axes, shape in zip(rows, SHAPES, strict=True):
        axes.plot([0, SHARES[-1]], [0, SHARES[-1]], color="0.7", lw=1, label="operations")
        axes.axhline(1, color="0.85", lw=1, zorder=0)
        for tokens in TOKENS:
            ratio = next(r for s, t, r in found if (s, t) == (shape, tokens))
            axes.plot(SHARES, ratio, marker="o", ms=4, label=f"{tokens} token{'s' if tokens > 1 else ''}")
        axes.set(title=f"{shape[0]} × {shape[1]}", xlabel="rank over the break-even rank", ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    rows[0].set_ylabel("time over that of the dense product")
    rows[0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def model(rounds):
    """Print the time that a sentence takes with all products of the encoder at a rank, against the model itself."""
    from factored_minilm import RANKS, Study, open_model, with_parameters

    from factorattn.model import encode

    study = Study(open_model())
    factors = study.full_rank("svd")
    models = [study.encoder]
    models += [with_parameters(study.encoder, study.at_rank(factors, study.same_rank(rank))) for rank in RANKS]
    texts = study.unseen.text
    ratio, seconds = ratios([lambda one=one: encode(one, texts) for one in models], rounds)
    print(
        f"{len(texts)} sentences, {os.cpu_count()} CPUs, medians of {rounds} rounds; "
        f"{seconds / len(texts) * 1e3:.2f} ms a sentence"
    )
    print("\n| rank | time |\n|---|---|")
    for rank, x in zip(("all", *RANKS), ratio, strict=True):
        print(f"| {rank} | {x:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--picture", metavar="FILE")
    parser.add_argument("--model", action="store_true", help="the model instead of single products")
    options = parser.parse_args()
    with threadpool_limits(1):
        found = model(options.rounds) if options.model else products(options.rounds)
    if options.picture and found:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
