"""What is known of a public function: a record that describes it, and never builds, wraps or discovers anything.

Every field is checked by a test or generates something (law tests, documentation, command line, cost reports).
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = [
    "Adapter",
    "Distribution",
    "Factorization",
    "Mechanism",
    "Position",
    "Record",
    "Score",
    "family",
    "find",
    "mechanism",
    "refuse",
]

F = TypeVar("F", bound=Callable)
CAUSAL = ("never", "option", "values", "always")
EXACT = ("always", "rank", "form", "never")
NEEDS = ("any", "square", "semidefinite", "nonnegative", "tensor")


@dataclass(frozen=True, kw_only=True)
class Record:
    """The record carried by a function ``f`` as ``f.record``; as a decorator, it attaches itself.

    Parameters
    ----------
    inputs : str
        The contract of its array, size and position arguments (see `factorattn.contract`).
    output : str
        The last axes of what it returns, as letters of the contract (or numbers); batch axes come before.
    time, memory : str
        Leading operations, and leading numbers held beside the inputs, of the default form: sums of monomials in the
        letters of the contract.
    paper : str
        Key in ``docs/references.bib``.
    """

    inputs: str
    output: str
    time: str
    memory: str
    paper: str

    def __call__(self, f: F) -> F:
        """Attach the record to a function and return the same function."""
        f.record = self  # type: ignore[attr-defined]
        return f


@dataclass(frozen=True, kw_only=True)
class Score(Record):
    """The record of an alignment function a(q, k), as in `factorattn.score`."""

    output: str = "n m"


@dataclass(frozen=True, kw_only=True)
class Distribution(Record):
    """The record of a function p from scores to weights, as in `factorattn.distribution`."""

    inputs: str = "a: ... m"
    output: str = "m"


@dataclass(frozen=True, kw_only=True)
class Position(Record):
    """The record of a way to tell positions, as in `factorattn.position`."""


@dataclass(frozen=True, kw_only=True)
class Factorization(Record):
    """The record of a factorization, as in `factorattn.factor`: an array in, a factored matrix out.

    Time and memory are those of factoring.

    Parameters
    ----------
    exact : {"always", "rank", "form", "never"}
        When the result is the matrix itself, to rounding: always; where the rank asked for is at least that of the
        matrix; where the matrix has the form of the result (a Kronecker product, a butterfly); in no such case.
    lowrank : bool
        Whether the rank of the result is at most the rank asked for, so that the truncated SVD bounds it from below.
    optimal : bool
        Whether no other matrix of the result's form is nearer in the Frobenius norm.
    needs : {"any", "square", "semidefinite", "nonnegative", "tensor"}
        What it takes: matrices of any kind, square ones, positive semidefinite ones, those without negative entries;
        arrays whose axes are all modes of a tensor.
    random : bool
        Whether it draws, from ``rng=``.
    """

    output: str = "p q"
    exact: str
    lowrank: bool = False
    optimal: bool = False
    needs: str = "any"
    random: bool = False

    def __post_init__(self) -> None:
        for name, value, allowed in (("exact", self.exact, EXACT), ("needs", self.needs, NEEDS)):
            if value not in allowed:
                raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class Adapter(Record):
    """The record of an adapter, as in `factorattn.compress`: a trained matrix in, the same with few new parameters out.

    Parameters
    ----------
    trainable : str
        The number of parameters that are trained, in letters of the contract.
    """

    output: str = "p q"
    trainable: str


@dataclass(frozen=True, kw_only=True)
class Mechanism(Record):
    """The record of an attention mechanism, as in `factorattn.attention`.

    Parameters
    ----------
    forms : tuple of str
        Mathematically equal algorithms; the first is the definition.
    causal : {"never", "option", "values", "always"}
        Whether the mechanism can be, or always is, blind to the future. "values" is an option, too, but a weaker one:
        later values reach no earlier output, while later queries and keys still take part in forming groups.
    normalised : bool
        Whether the weights of a row sum to one, so that constant values stay constant.
    values : tuple of str
        The arguments in which, together, the output is linear.
    positional : bool
        Whether the order of the positions matters (where every argument is given).
    coupled : bool
        Whether the answer to a query depends on the other queries.
    mask_shape : str
        What a mask broadcasts to, in letters of the contract: "n m" for any pairs, "1 m" where a key is hidden from all
        queries or from none.
    refuses : mapping of str to str
        Options of other mechanisms that this one cannot honour, and why: "mask", "causal". What is not refused is
        honoured.
    approximates : str, optional
        Name of the mechanism it approximates.
    knob : str, optional
        Letter whose growth improves the approximation.
    """

    output: str = "n e"
    forms: tuple[str, ...]
    causal: str
    normalised: bool
    values: tuple[str, ...] = ("v",)
    positional: bool = False
    coupled: bool = False
    mask_shape: str = "n m"
    refuses: Mapping[str, str] = field(default_factory=dict)
    approximates: str | None = None
    knob: str | None = None

    def __post_init__(self) -> None:
        if self.causal not in CAUSAL:
            raise ValueError(f"causal must be {' or '.join(map(repr, CAUSAL))}, got {self.causal!r}")
        if (self.causal == "never") != ("causal" in self.refuses):
            raise ValueError(f"refuses must say why, if and only if causal is 'never'; got {self.causal!r}")

    @property
    def mask(self) -> bool:
        """Whether it takes ``mask=``, of a shape that broadcasts to `mask_shape`."""
        return "mask" not in self.refuses


mechanism = Mechanism  # as a decorator: @mechanism(inputs=..., ...)


def refuse(f: Callable, /, **options: Any) -> None:
    """Raise if an option that `f` cannot honour was given; the message says why.

    Raises
    ------
    ValueError
        For the first option that is neither None nor False.
    """
    for name, value in options.items():
        if value is not None and value is not False:
            why = f.record.refuses[name]  # type: ignore[attr-defined]
            raise ValueError(f"{f.__name__} takes no {name}: {why}")


def find(registry: Mapping[str, Callable], name: str, *, kind: str, suffix: str = "") -> Callable:
    """Return what a registry holds under `name`, with or without a suffix of its names.

    Parameters
    ----------
    registry : mapping of str to callable
    name : str
    kind : str
        What the registry holds, as the message calls it.
    suffix : str
        What may be left out at the end of a name.

    Raises
    ------
    ValueError
        If there is none; the message offers the nearest names, or all where none is near.
    TypeError
        If `name` is not a string.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    for candidate in (name, name + suffix):
        if candidate in registry:
            return registry[candidate]
    known = {full.removesuffix(suffix): full for full in registry} | {full: full for full in registry}
    near = dict.fromkeys(known[word] for word in difflib.get_close_matches(name, known, n=3, cutoff=0.4)) or registry
    raise ValueError(f"{kind} must be in the catalogue, got {name!r}; did you mean {' or '.join(near)}?")


def family(f: Callable) -> str:
    """The family of a function: the folder that its file is in."""
    return f.__module__.split(".")[-2]
