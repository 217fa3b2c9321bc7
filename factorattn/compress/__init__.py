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
from factorattn.compress.adalora import adalora
from factorattn.compress.albert import albert
from factorattn.compress.asvd import asvd
from factorattn.compress.dora import dora
from factorattn.compress.loha import loha
from factorattn.compress.lokr import lokr
from factorattn.compress.lora import lora
from factorattn.compress.milora import milora
from factorattn.compress.olora import olora
from factorattn.compress.pissa import pissa
from factorattn.compress.rank import break_even_rank, ranks_for_budget, ranks_for_error
from factorattn.compress.rslora import rslora
from factorattn.compress.svd_llm import gram_root, output_spectrum, svd_llm
from factorattn.compress.vera import shared_pair, vera

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
