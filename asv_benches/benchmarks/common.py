"""What all benchmarks share. Literals only: results are filed under names and parameters, which must not move."""

import importlib

import numpy as np

try:  # a commit may be older than any name asked for here
    import factorattn
    from factorattn.data import load_minilm
except ImportError:
    factorattn = load_minilm = None

NAMES = (
    "softmax_attention",
    "linear_attention",
    "performer_attention",
    "linformer_attention",
    "window_attention",
    "longformer_attention",
    "lowrank_attention",
)

OPTIONS = {
    "performer_attention": {"rank": 128, "rng": 0},
    "linformer_attention": {"rank": 128},
    "window_attention": {"window": 64},
    "longformer_attention": {"window": 64, "global_tokens": (0, 100, 200)},
    "lowrank_attention": {"rank": 32},
}
SIZES = {"d": 32, "e": 32, "r": 128, "w": 64, "g": 3}  # the letters of these options and of the embedded input

LENGTHS = [256, 1024, 4096]
LIBRARIES = ["numpy", "cupy"]
KERNELS = ["off", "auto"]


def mechanism(name):
    """The function of that name, or a skip."""
    if factorattn is None or name not in getattr(factorattn, "CATALOGUE", ()):
        raise NotImplementedError(f"this commit has no {name}")
    return factorattn.CATALOGUE[name]


def primitive(name):
    """The primitive of that name, or a skip."""
    try:
        return getattr(importlib.import_module(f"factorattn.primitives.{name}"), name)
    except (ImportError, AttributeError):
        raise NotImplementedError(f"this commit has no primitive {name}") from None


def embedded(n, dtype="float32"):
    """Queries, keys and values of two heads over n tokens, from the package, or a skip."""
    if load_minilm is None:
        raise NotImplementedError("this commit has no embedded input")
    return tuple(load_minilm(n=n, dtype=dtype))


def library(name):
    """An array library and a function that waits for its device, or a skip."""
    if name == "numpy":
        return np, lambda: None
    try:
        xp = importlib.import_module(name)
    except ImportError:
        raise NotImplementedError(f"{name} is not installed") from None
    if not xp.cuda.is_available():
        raise NotImplementedError("no GPU")
    return xp, xp.cuda.get_current_stream().synchronize
