"""What to do with a checkpoint: which matrices, by which method, to which rank."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from factorattn.compress.checkpoint.entry import Entry
from factorattn.compress.checkpoint.methods import METHODS
from factorattn.compress.checkpoint.reading import Checkpoint
from factorattn.compress.checkpoint.tensors import FLOATING, CheckpointError
from factorattn.compress.rank import ranks_for_budget
from factorattn.contract import choose
from factorattn.factor.lowrank import rank_for_energy, rank_for_error
from factorattn.scalars import flag, generator, positive, real, whole

__all__ = ["TARGETS", "Choice", "matrices_in", "ranks"]

TARGETS = ("rank", "energy", "error", "budget")
_TAGS = {name: tag for tag, name in FLOATING.items()}
_NAMED = 4  # matrices that a message names


@dataclass(frozen=True)
class Choice:
    """The options of `factorattn.compress.checkpoint.factorize.factorize_checkpoint`, checked."""

    method: str
    rank: int | None
    energy: float | None
    error: float | None
    budget: float | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    dtype: str | None
    force: bool
    spectra: bool
    seed: int

    def __post_init__(self) -> None:
        method = choose(METHODS, method=self.method)
        given = [name for name in TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            told = f"; got {' and '.join(given)}" if given else ""
            raise ValueError(f"give exactly one of {', '.join(TARGETS)}{told}")
        if self.rank is not None and whole(rank=self.rank) < 1:
            raise ValueError(f"rank must be positive, got {self.rank}")
        for name in ("energy", "budget"):
            if getattr(self, name) is not None and positive(**{name: getattr(self, name)}) > 1:
                raise ValueError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}")
        if self.error is not None and not 0 <= real(error=self.error) < 1:
            raise ValueError(f"error must be at least 0 and below 1, got {self.error}")
        if self.rank is None and method.inner is None:
            raise ValueError(f"rank must be given for {self.method}, whose ranks singular values do not tell")
        if self.budget is not None and not method.thin:
            thin = ", ".join(name for name, one in METHODS.items() if one.thin)
            raise ValueError(f"budget is for factors of r (p + q) numbers: {thin}; got {self.method}")
        if self.dtype is not None:
            choose(_TAGS, dtype=self.dtype)
        flag(force=self.force)
        generator(self.seed)
        if not self.include:
            raise ValueError("include must hold at least one pattern")

    @property
    def tag(self) -> str | None:
        """The dtype of factors, as safetensors names it."""
        return None if self.dtype is None else _TAGS[self.dtype]

    @property
    def needs_spectra(self) -> bool:
        """Whether singular values are taken before anything is factored."""
        return self.spectra or self.rank is None

    @property
    def target(self) -> tuple[str, float]:
        """Which of rank, energy, error and budget was given, and its value."""
        return next((name, getattr(self, name)) for name in TARGETS if getattr(self, name) is not None)

    def told(self) -> dict[str, Any]:
        """What the metadata of the file says of it."""
        name, value = self.target
        about: dict[str, Any] = {"method": self.method, name: value}
        return about | {"seed": self.seed} if METHODS[self.method].random else about


def matrices_in(checkpoint: Checkpoint, choice: Choice) -> dict[str, Entry]:
    """The matrices that the patterns choose.

    Raises
    ------
    CheckpointError
        If a pattern matches none, or all that match are excluded.
    """
    every = {
        name: entry
        for name, entry in checkpoint.tensors.items()
        if len(entry.shape) == 2 and entry.size and entry.dtype in FLOATING
    }
    there = ", ".join(list(every)[:_NAMED]) + (f" and {len(every) - _NAMED} more" if len(every) > _NAMED else "")
    if not every:
        raise CheckpointError(f"{checkpoint.path.name} holds no matrix of {', '.join(FLOATING.values())}")
    for pattern in choice.include:
        if not any(fnmatchcase(name, pattern) for name in every):
            raise CheckpointError(f"{pattern!r} matches no matrix of {checkpoint.path.name}; it has {there}")
    found = {
        name: entry
        for name, entry in every.items()
        if any(fnmatchcase(name, pattern) for pattern in choice.include)
        and not any(fnmatchcase(name, pattern) for pattern in choice.exclude)
    }
    if not found:
        raise CheckpointError(f"every matrix of {checkpoint.path.name} that matches is excluded; it has {there}")
    return found


def ranks(matrices: Mapping[str, Entry], spectra: Mapping[str, np.ndarray], choice: Choice) -> dict[str, int | None]:
    """The rank of each matrix, at most its shorter side; None for one that a budget leaves dense.

    Raises
    ------
    CheckpointError
        If the budget is too small for rank 1.
    """
    name, value = choice.target
    shapes = {name: (entry.shape[0], entry.shape[1]) for name, entry in matrices.items()}
    if name == "budget":
        try:
            return ranks_for_budget(spectra, shapes, float(value))
        except ValueError as error:
            raise CheckpointError(str(error)) from None
    if name == "rank":
        return {name: min(int(value), *shape) for name, shape in shapes.items()}
    rule = rank_for_energy if name == "energy" else rank_for_error
    return {name: rule(s, float(value)) for name, s in spectra.items()}
