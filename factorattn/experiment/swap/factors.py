"""Matrices of a trained encoder replaced by factors of any kind that the library makes.

    W (p, q)  ->  F,    y = x F^T in place of x W^T

Weighted factorizations are shown what each layer is given on texts that are not those compared.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from factorattn.catalogue import find
from factorattn.compress import WEIGHTED, ranks_for_budget
from factorattn.compress.checkpoint.methods import singular_values
from factorattn.contract import parse
from factorattn.data import load_sentences
from factorattn.experiment.swap.whole import encode_whole
from factorattn.factor import FACTORIZATIONS
from factorattn.factor.factored import SVD, Factored
from factorattn.factor.factored.base import flops_of
from factorattn.factor.lowrank import rank_for_energy, rank_for_error
from factorattn.model.sentence_encoder import SentenceEncoder
from factorattn.scalars import positive, real, whole

__all__ = ["PRODUCTS", "TARGETS", "Choice", "factored_encoder", "factorization", "inputs_of", "matrices_of"]

TARGETS = ("rank", "energy", "error", "budget")
PRODUCTS = "encoder.*"  # what rows are multiplied with; tables of words and positions are chosen by name


@dataclass(frozen=True)
class Choice:
    """Which matrices to factor, by what, and to which rank.

    Parameters
    ----------
    method : str
        A factorization of the library, or a short name of the command ``factorize``.
    rank, energy, error, budget : optional
        One of them for a method with a rank, none for one without: the rank of every matrix; the share of its squared
        norm that is kept; its relative error; the share of the parameters of all of them. The last three choose ranks
        by singular values of the matrices, and are for methods of two thin factors.
    include, exclude : tuple of str
        Patterns of names, as of files.
    seed : int
        For methods that draw.
    """

    method: str
    rank: int | None = None
    energy: float | None = None
    error: float | None = None
    budget: float | None = None
    include: tuple[str, ...] = (PRODUCTS,)
    exclude: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        f, given = factorization(self.method), [name for name in TARGETS if getattr(self, name) is not None]
        if not _has_rank(f):
            if given:
                raise ValueError(f"{given[0]} means nothing for {self.method}, whose form alone says what it keeps")
            return
        if len(given) != 1:
            told = f"got {' and '.join(given)}" if given else "got none"
            raise ValueError(f"give exactly one of {', '.join(TARGETS)} for {self.method}; {told}")
        if self.rank is None and not _thin(f):
            raise ValueError(f"rank must be given for {self.method}, whose ranks singular values do not tell")
        if self.rank is not None and whole(rank=self.rank) < 1:
            raise ValueError(f"rank must be positive, got {self.rank}")
        for name in ("energy", "budget"):
            if getattr(self, name) is not None and positive(**{name: getattr(self, name)}) > 1:
                raise ValueError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}")
        if self.error is not None and not 0 <= real(error=self.error) < 1:
            raise ValueError(f"error must be at least 0 and below 1, got {self.error}")

    @property
    def label(self) -> str:
        """The method and what was asked of it."""
        told = (f"{name} {getattr(self, name):g}" for name in TARGETS if getattr(self, name) is not None)
        return " ".join([self.method, *told])


def factorization(name: str) -> Callable:
    """The function behind a name: of the library, or "svd", "randomized", "tensor-train" of ``factorize``.

    Raises
    ------
    ValueError
        If there is none, or it takes no matrix of trained weights; the message says why.
    """
    known = {**FACTORIZATIONS, **WEIGHTED}
    short = {"svd": "truncated_svd", "randomized": "randomized_svd", "tensor-train": "tensor_train_matrix"}
    f = find(known, short.get(name, name), kind="factorization")
    needs = {
        "nonnegative": "matrices without negative entries, and weights have some",
        "semidefinite": "positive semidefinite matrices, and weights are not",
        "square": "square matrices, and half of the weights of a feed-forward layer are not",
        "tensor": "arrays whose axes are all modes, and weights are matrices",
    }
    told = needs.get(f.record.needs)  # type: ignore[attr-defined]
    parameters = inspect.signature(f).parameters
    asked = [key for key, p in parameters.items() if p.default is p.empty and key not in ("a", "w", "x", "e", "rank")]
    if name == "axial_table" or asked:
        told = "a table of positions and its grid"
    if told:
        raise ValueError(f"{f.__name__} cannot factor weights: it takes {told}")
    return f


def matrices_of(encoder: SentenceEncoder, choice: Choice) -> dict[str, Any]:
    """The matrices that the patterns choose.

    Raises
    ------
    ValueError
        If a pattern matches none, or every matrix that matches is excluded.
    """
    every = {name: w for name, w in encoder.parameters.items() if w.ndim == 2}
    for pattern in choice.include:
        if not any(fnmatchcase(name, pattern) for name in every):
            raise ValueError(f"{pattern!r} matches no matrix; there are {', '.join(list(every)[:4])} and others")
    found = {
        name: w
        for name, w in every.items()
        if any(fnmatchcase(name, pattern) for pattern in choice.include)
        and not any(fnmatchcase(name, pattern) for pattern in choice.exclude)
    }
    if not found:
        raise ValueError("every matrix that matches is excluded")
    return found


def factored_encoder(
    encoder: SentenceEncoder, choice: Choice, *, step: Callable[[str], None] = lambda text: None
) -> SentenceEncoder:
    """The same encoder with factors in place of the matrices that were chosen.

    Parameters
    ----------
    encoder : SentenceEncoder
        Of NumPy arrays.
    choice : Choice
    step : callable
        Told what comes next.

    Raises
    ------
    ValueError
        If nothing matches, the budget is too small, or a matrix cannot be factored; it is named.

    Notes
    -----
    A matrix is factored to the rank asked for whether this saves numbers or not; a budget leaves dense what it has no
    better use for.
    """
    matrices, f = matrices_of(encoder, choice), factorization(choice.method)
    ranks = _ranks(matrices, choice) if _has_rank(f) else dict.fromkeys(matrices)
    seen = inputs_of(encoder, matrices) if _is_weighted(f) else {}
    made: dict[str, Any] = {}
    for name, w in matrices.items():
        rank = ranks[name]
        if _has_rank(f) and rank is None:  # a budget left it dense
            continue
        step(f"{choice.method} of {name}")
        try:
            made[name] = _factors(f, w, seen.get(name), rank, choice.seed)
        except ValueError as error:
            raise ValueError(f"{name} cannot be factored by {choice.method}: {error}") from None
    return replace(encoder, parameters={**encoder.parameters, **made})


def inputs_of(encoder: SentenceEncoder, names: Sequence[str] | Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The rows (number, q) that each matrix meets as the model reads the embedded sentences of odd chapters."""
    unused = [name for name in names if name.startswith("embeddings.")]
    if unused:
        raise ValueError(f"{unused[0]} is a table that no row is multiplied with: nothing tells what to weigh")
    text, chapter = load_sentences()
    seen: dict[str, list[np.ndarray]] = {name: [] for name in names}
    watched = {name: Watched(encoder.parameters[name], seen[name]) for name in names}
    shown = [one for one, of in zip(text, chapter, strict=True) if of % 2]
    encode_whole(replace(encoder, parameters={**encoder.parameters, **watched}), shown)  # padding is no input
    return {name: np.concatenate(rows) for name, rows in seen.items()}


@dataclass(frozen=True, eq=False, repr=False)
class Watched(Factored):
    """A matrix that notes the rows it is multiplied with."""

    w: Any
    seen: list[np.ndarray]
    turned: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the matrix."""
        return self.w.shape[::-1] if self.turned else self.w.shape

    @property
    def mT(self) -> "Watched":
        """The transpose, which notes into the same list."""
        return replace(self, turned=not self.turned)

    @property
    def flops(self) -> int:
        """Those of the matrix."""
        return flops_of(self.w)

    def matmat(self, x: Any) -> Any:
        """W x; the columns of x are kept as rows."""
        self.seen.append(x.mT)
        return (self.w.mT if self.turned else self.w) @ x


def _factors(f: Callable, w: Any, x: Any, rank: int | None, seed: int) -> Factored:
    options: dict[str, Any] = {"rng": seed} if "rng" in inspect.signature(f).parameters else {}
    if rank is not None:
        options["rank"] = min(rank, *w.shape) if f.record.lowrank else rank  # type: ignore[attr-defined]
    made = f(w, **options) if x is None else f(w, x, **options)
    return made.two_factors() if isinstance(made, SVD) else made


def _ranks(matrices: Mapping[str, Any], choice: Choice) -> dict[str, int | None]:
    if choice.rank is not None:
        return dict.fromkeys(matrices, choice.rank)
    spectra = {name: singular_values(w) for name, w in matrices.items()}
    if choice.budget is not None:
        shapes = {name: w.shape for name, w in matrices.items()}
        return ranks_for_budget(spectra, shapes, float(choice.budget))
    if choice.energy is not None:
        return {name: rank_for_energy(s, choice.energy) for name, s in spectra.items()}
    return {name: rank_for_error(s, float(choice.error or 0.0)) for name, s in spectra.items()}


def _has_rank(f: Callable) -> bool:
    return any(item.name == "rank" for item in parse(f.record.inputs))  # type: ignore[attr-defined]


def _is_weighted(f: Callable) -> bool:
    return any(item.name == "x" for item in parse(f.record.inputs) if item.kind == "array")  # type: ignore[attr-defined]


def _thin(f: Callable) -> bool:
    """Whether its factors of rank r are (p, r) and (r, q): its rank is one of the matrix."""
    return f.record.lowrank and f.__name__ != "cur"  # type: ignore[attr-defined]  # of which a third is (r, r)
