"""All that has a name on the command line: mechanisms, scores, distributions, positions, factorizations, adapters."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from factorattn import CATALOGUE
from factorattn.cli.errors import BadInput
from factorattn.compress import ADAPTERS, WEIGHTED
from factorattn.distribution import DISTRIBUTIONS
from factorattn.factor import FACTORIZATIONS
from factorattn.position import POSITIONS
from factorattn.score import SCORES

__all__ = ["KINDS", "entry", "mechanism", "namesakes"]

KINDS: Mapping[str, Mapping[str, Callable]] = {
    "mechanism": CATALOGUE,
    "score": SCORES,
    "distribution": DISTRIBUTIONS,
    "position": POSITIONS,
    "factorization": {**FACTORIZATIONS, **WEIGHTED},
    "adapter": ADAPTERS,
}
SUFFIXES = {"mechanism": "_attention", "position": "_relative"}  # what may be left out at the end of a name


def mechanism(name: str) -> Callable:
    """A mechanism by its name, with or without ``_attention``."""
    for candidate in (name, f"{name}_attention"):
        if candidate in CATALOGUE:
            return CATALOGUE[candidate]
    raise BadInput(f"mechanism must be in the catalogue, got {name!r}; {_near(name, {'mechanism': CATALOGUE})}")


def entry(name: str) -> Callable:
    """An entry of any kind: "window", "window_attention", "sparsemax", "shaw", "score.general"."""
    found = namesakes(name)
    if not found:
        raise BadInput(f"mechanism must be in the catalogue, got {name!r}; {_near(name, KINDS)}")
    return next(iter(found.values()))


def namesakes(name: str) -> dict[str, Callable]:
    """All entries that a name may mean, by their unmistakable names, mechanisms first."""
    kind, _, bare = name.rpartition(".")
    found = {}
    for own, entries in KINDS.items():
        for candidate in (bare, bare + SUFFIXES[own]) if own in SUFFIXES else (bare,):
            if candidate in entries and kind in ("", own):
                found[candidate if own == "mechanism" else f"{own}.{candidate}"] = entries[candidate]
    return found


def _near(name: str, kinds: Mapping[str, Mapping[str, Callable]]) -> str:
    known = {full: full for entries in kinds.values() for full in entries}
    for own, suffix in reversed(SUFFIXES.items()):  # mechanisms last, so that a short name of both is theirs
        known |= {full.removesuffix(suffix): full for full in kinds.get(own, ())}
    near = dict.fromkeys(known[word] for word in get_close_matches(name.lower(), known))
    return f"did you mean {' or '.join(near)}?" if near else "`factorattn list` shows all"
