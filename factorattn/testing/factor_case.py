"""One factorization, one shape, one namespace: where a law of factorizations is tried."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from factorattn.contract import parse
from factorattn.testing.case import to_numpy
from factorattn.testing.tolerance import ROUNDING

__all__ = ["FACTOR_OPTIONS", "FactorCase", "factor_cases"]

SHAPES = {
    "any": ((12, 8), (8, 12)),
    "nonnegative": ((12, 8), (8, 12)),
    "square": ((16, 16),),
    "semidefinite": ((12, 12),),
    "tensor": ((4, 6, 5), (12, 8)),
}
INPUTS = np.random.default_rng(9).standard_normal((20, 8)) * np.arange(1.0, 9.0)  # of a layer that takes 8 numbers
FACTOR_OPTIONS: dict[str, dict[str, Any]] = {  # what no default fits; arrays are NumPy's
    "axial_table": {"x": 4, "y": 3},
    "cp": {"iterations": 10},  # to go on only takes longer
    "nmf": {"iterations": 10},
    "adaptive_svd": {"block": 2},  # a search that is no wider than small matrices
    "randomized_svd": {"oversampling": 2},
    "asvd": {"x": INPUTS},
    "svd_llm": {"x": INPUTS},
}


@dataclass(frozen=True)
class FactorCase:
    """A factorization `f` of arrays of one shape, on arrays of namespace `xp`.

    Parameters
    ----------
    f : callable
        Carries a record ``f.record``; is called as ``f(a, rank=..., **options)``, or ``f(a, **options)`` if its
        contract has no rank.
    shape : tuple of int
    options : mapping
        Further arguments; NumPy arrays among them are made arrays of `xp`, in the dtype of what is factored.
    xp : namespace
        NumPy by default.
    prepare : callable, optional
        Makes an array of `xp` from a NumPy array; ``xp.asarray`` by default.
    """

    f: Callable
    shape: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    xp: Any = np
    prepare: Callable[[np.ndarray], Any] | None = None

    @property
    def record(self) -> Any:
        """The record of the factorization."""
        return self.f.record  # type: ignore[attr-defined]

    @property
    def ranked(self) -> bool:
        """Whether a rank is asked for."""
        return any(item.kind == "size" and item.name == "rank" for item in parse(self.record.inputs))

    @property
    def batched(self) -> bool:
        """Whether the array may have batch axes."""
        return parse(self.record.inputs)[0].batched

    @property
    def top(self) -> int:
        """The rank of no restriction."""
        return int(np.prod(self.shape)) // max(self.shape) if self.record.needs == "tensor" else min(self.shape)

    def draw(self, rank: int | None = None, *, seed: int = 0, batch: tuple[int, ...] = ()) -> np.ndarray:
        """A NumPy array (float64) of the kind that is taken: of a rank, or of none in particular."""
        rng, shape = np.random.default_rng(seed), (*batch, *self.shape)
        if self.record.needs == "tensor":
            if rank is None:
                return rng.standard_normal(shape)
            modes = [rng.standard_normal((length, rank)) for length in shape]
            letters = "abcdefg"[: len(modes)]
            return np.einsum(",".join(f"{letter}r" for letter in letters) + "->" + letters, *modes)
        p, q = self.shape
        k = min(p, q) if rank is None else rank
        left, right = rng.standard_normal((*batch, p, k)), rng.standard_normal((*batch, k, q))
        if self.record.needs == "semidefinite":
            return left @ left.mT
        if self.record.needs == "nonnegative":
            return np.abs(left) @ np.abs(right)
        return left @ right if rank is not None else rng.standard_normal(shape)

    def run(self, a: np.ndarray, rank: int | None = None, *, seed: int = 0) -> Any:
        """Factor a NumPy array as one of `xp`."""
        prepare = self.prepare or self.xp.asarray
        options = {
            name: prepare(value.astype(a.dtype)) if isinstance(value, np.ndarray) else value
            for name, value in self.options.items()
        }
        if self.record.random:
            options["rng"] = seed
        if self.ranked:
            options["rank"] = self.top if rank is None else rank
        return self.f(prepare(a), **options)

    def dense(self, a: np.ndarray, rank: int | None = None, *, seed: int = 0) -> np.ndarray:
        """The matrix that the factors make, as a NumPy array."""
        return to_numpy(self.run(a, rank, seed=seed).to_dense())

    def matrix(self, a: np.ndarray, factored: Any) -> np.ndarray:
        """The array that was factored, with the axes of the matrix that the result is: an unfolding of a tensor."""
        return np.reshape(a, tuple(factored.shape))

    def error(self, a: np.ndarray, rank: int | None = None, *, seed: int = 0) -> float:
        """The Frobenius norm of what the factors lack, over that of the array."""
        factored = self.run(a, rank, seed=seed)
        norm = float(np.linalg.norm(a)) or 1.0
        return float(np.linalg.norm(self.matrix(a, factored) - to_numpy(factored.to_dense()))) / norm

    def close(self, got: np.ndarray, want: np.ndarray, what: str, *, dtype: Any = np.float64) -> None:
        """Hold two arrays against each other, up to the rounding of a decomposition of this shape."""
        if got.shape != want.shape:
            raise AssertionError(f"{self}: {what}: shape {got.shape}, expected {want.shape}")
        scale = float(np.max(np.abs(want), initial=0.0)) or 1.0
        error = float(np.max(np.abs(got - want), initial=0.0)) / scale
        if not error <= self.rounding(dtype):
            raise AssertionError(
                f"{self}: {what}: relative error {error:.2e}, rounding explains {self.rounding(dtype):.2e}"
            )

    def rounding(self, dtype: Any = np.float64) -> float:
        """The relative error that rounding explains in a decomposition of this shape."""
        return ROUNDING(dtype, int(np.prod(self.shape)) * max(self.shape))

    def __str__(self) -> str:
        name = getattr(self.xp, "__name__", "").removeprefix("array_api_compat.")
        return f"{self.f.__name__} of {' x '.join(map(str, self.shape))} on {name}"


def factor_cases(f: Callable, *, xp: Any = np, options: Mapping[str, Any] | None = None) -> Iterator[FactorCase]:
    """The shapes that a factorization is tried on: tall and wide, square if it must be, tensors if it takes them."""
    record = f.record  # type: ignore[attr-defined]
    chosen = FACTOR_OPTIONS.get(f.__name__, {}) if options is None else options
    shapes = SHAPES[record.needs]
    for shape in shapes[:1] if {"x", "y"} & set(chosen) else shapes:  # these are for one shape
        yield FactorCase(f, shape, chosen, xp)
