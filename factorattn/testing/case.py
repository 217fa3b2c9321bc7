"""One mechanism, one form, one namespace: where a law is tried."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from factorattn.contract import parse, sample
from factorattn.testing.tolerance import ROUNDING

__all__ = ["SIZES", "Case", "to_numpy"]

# Just past whole numbers of every tile and block (64, 128, 256), so that tails and seams are crossed.
# fmt: off
SIZES = {
    "n": 270, "m": 270, "d": 4, "e": 3, "r": 8, "w": 5, "g": 3, "h": 2, "a": 7, "b": 16, "c": 6,
    "f": 5, "l": 12, "p": 4, "s": 2, "t": 9, "u": 11, "x": 18, "y": 15,
}
# fmt: on


@dataclass(frozen=True)
class Case:
    """A mechanism `f` in one of its forms, causal or not, on arrays of namespace `xp`.

    Parameters
    ----------
    f : callable
        Carries a record ``f.record``.
    form : str
    causal : bool
    xp : namespace
        Of the arrays that `f` gets; NumPy by default.
    prepare : callable, optional
        Makes an array of `xp` from a NumPy array; ``xp.asarray`` by default.
    sizes : mapping of str to int
        Sizes of the letters of the contract.
    seed : int
    """

    f: Callable
    form: str
    causal: bool = False
    xp: Any = np
    prepare: Callable[[np.ndarray], Any] | None = None
    sizes: Mapping[str, int] = field(default_factory=lambda: dict(SIZES))
    seed: int = 0

    @property
    def record(self):
        """The mechanism's record."""
        return self.f.record  # type: ignore[attr-defined]

    def inputs(self, *, batch: tuple[int, ...] = (), dtype: str = "float64", seed: int | None = None) -> dict[str, Any]:
        """NumPy arguments that satisfy the contract."""
        rng = np.random.default_rng(self.seed if seed is None else seed)
        drawn = sample(self.record.inputs, rng, self.sizes, batch=batch)
        return {name: value.astype(dtype) if isinstance(value, np.ndarray) else value for name, value in drawn.items()}

    def call(self, inputs: Mapping[str, Any], **options: Any) -> Any:
        """Call `f` on arrays of `xp` made from NumPy arguments; the result is an array of `xp`."""
        prepare = self.prepare or self.xp.asarray
        arguments = {
            name: prepare(value) if isinstance(value, np.ndarray) else value
            for name, value in {**inputs, **options}.items()
        }
        if self.record.causal in ("option", "values"):
            arguments.setdefault("causal", self.causal)
        arguments.setdefault("form", self.form)
        return self.f(**arguments)

    def run(self, inputs: Mapping[str, Any], **options: Any) -> np.ndarray:
        """The same, as a NumPy array."""
        return to_numpy(self.call(inputs, **options))

    def arrays_with(self, letter: str) -> dict[str, int]:
        """The arrays that have an axis `letter`, and which axis (counted from the end) it is."""
        items = (item for item in parse(self.record.inputs) if item.kind == "array" and letter in item.axes)
        return {item.name: item.axes.index(letter) - len(item.axes) for item in items}

    @property
    def needed(self) -> set[str]:
        """The names of the arguments that cannot be left out."""
        return {item.name for item in parse(self.record.inputs) if not item.optional}

    def output_shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape of the output without batch axes."""
        return tuple(int(axis) if axis.isdigit() else sizes[axis] for axis in self.record.output.split())

    def output_axis(self, letter: str) -> int | None:
        """Which axis of the output, counted from the end, is a letter; None if none is."""
        axes = self.record.output.split()
        return axes.index(letter) - len(axes) if letter in axes else None

    def close(
        self, got: np.ndarray, want: np.ndarray, what: str, *, dtype: Any = np.float64, extra: float = 0.0
    ) -> None:
        """Hold two results against each other, up to rounding in `dtype` and a relative `extra`."""
        if got.shape != want.shape:
            raise AssertionError(f"{self}: {what}: shape {got.shape}, expected {want.shape}")
        scale = np.max(np.abs(want), initial=0.0) or 1.0
        error = np.max(np.abs(got.astype(np.float64) - want), initial=0.0) / scale
        allowed = ROUNDING(dtype, max(self.sizes.values())) + extra
        if not error <= allowed:
            raise AssertionError(f"{self}: {what}: relative error {error:.2e}, rounding explains {allowed:.2e}")

    def __str__(self) -> str:
        name = getattr(self.xp, "__name__", "").removeprefix("array_api_compat.")
        return f"{self.f.__name__}(form={self.form!r}, causal={self.causal}) on {name}"


def to_numpy(x: Any) -> np.ndarray:
    """A NumPy copy of an array of any library, from any device."""
    if hasattr(x, "get"):  # CuPy
        return x.get()
    if hasattr(x, "cpu"):  # torch
        x = x.detach().cpu()
    return np.asarray(x)
