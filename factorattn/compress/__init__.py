"""Models with fewer parameters to train, or to keep: adapters, weighted factorizations, and the rank of each layer.

    adapters    frozen weights and a few trained numbers     lora(w, 8).merge()
    weighted    factors that are near where it matters       svd_llm(w, inputs, 64)
    ranks       for a budget, or for an error                ranks_for_budget(spectra, shapes, 0.5)

Weights are (p, q) = (out, in), as of torch.nn.Linear.
"""

from collections.abc import Callable
from types import MappingProxyType

from factorattn import catalogue
from factorattn.catalogue import Adapter, Factorization
from factorattn.compress.adapters.adalora import adalora
from factorattn.compress.adapters.dora import dora
from factorattn.compress.adapters.loha import loha
from factorattn.compress.adapters.lokr import lokr
from factorattn.compress.adapters.lora import lora
from factorattn.compress.adapters.milora import milora
from factorattn.compress.adapters.olora import olora
from factorattn.compress.adapters.pissa import pissa
from factorattn.compress.adapters.rslora import rslora
from factorattn.compress.adapters.vera import shared_pair, vera
from factorattn.compress.rank import break_even_rank, ranks_for_budget, ranks_for_error
from factorattn.compress.weighted.albert import albert
from factorattn.compress.weighted.asvd import asvd
from factorattn.compress.weighted.svd_llm import gram_root, output_spectrum, svd_llm

__all__ = [
    "ADAPTERS",
    "WEIGHTED",
    "adalora",
    "albert",
    "asvd",
    "break_even_rank",
    "dora",
    "find",
    "gram_root",
    "loha",
    "lokr",
    "lora",
    "milora",
    "olora",
    "output_spectrum",
    "pissa",
    "ranks_for_budget",
    "ranks_for_error",
    "rslora",
    "shared_pair",
    "svd_llm",
    "vera",
]

_KNOWN = {name: globals()[name] for name in sorted(__all__) if hasattr(globals().get(name), "record")}
ADAPTERS: MappingProxyType[str, Callable] = MappingProxyType(
    {name: f for name, f in _KNOWN.items() if isinstance(f.record, Adapter)}
)
WEIGHTED: MappingProxyType[str, Callable] = MappingProxyType(
    {name: f for name, f in _KNOWN.items() if isinstance(f.record, Factorization)}
)


def find(name: str) -> Callable:
    """Return the adapter or weighted factorization called `name`.

    Raises
    ------
    ValueError
        If there is none; the message offers the nearest names.
    TypeError
        If `name` is not a string.
    """
    return catalogue.find(_KNOWN, name, kind="adapter")
