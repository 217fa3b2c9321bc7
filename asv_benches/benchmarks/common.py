"""What all benchmarks share. Literals only: results are filed under names and parameters, which must not move."""

import importlib

import numpy as np

try:  # a commit may be older than any name asked for here
    import factorattn
    import factorattn.contract
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
    "aft_attention",
    "alternating_co_attention",
    "area_attention",
    "clustered_attention",
    "coda_attention",
    "compressive_attention",
    "continuous_softmax_attention",
    "continuous_sparsemax_attention",
    "cosformer_attention",
    "distinctive_attention",
    "efficient_attention",
    "general_attention",
    "grouped_query_attention",
    "hard_attention",
    "hierarchical_attention",
    "improved_clustered_attention",
    "infinite_former_attention",
    "informer_attention",
    "latent_attention",
    "local_monotonic_attention",
    "local_predictive_attention",
    "multidimensional_attention",
    "multihead_attention",
    "multiquery_attention",
    "multirepresentational_attention",
    "nystrom_attention",
    "parallel_co_attention",
    "persistent_attention",
    "random_feature_attention",
    "reformer_attention",
    "routing_attention",
    "self_attention",
    "sinkhorn_attention",
    "soft_attention",
    "source2token_attention",
    "structured_attention",
    "transformer_xl_attention",
    "adaptive_span_attention",
    "axial_attention",
    "bigbird_attention",
    "dilated_attention",
    "fixed_attention",
    "local_1d_attention",
    "local_2d_attention",
    "pattern_attention",
    "strided_attention",
)

FACTORS = (
    "truncated_svd",
    "randomized_svd",
    "adaptive_svd",
    "robust_pca",
    "nmf",
    "qr",
    "rrqr",
    "interpolative",
    "cur",
    "nystrom",
    "rpcholesky",
    "kronecker",
    "toeplitz",
    "circulant",
    "block_diagonal",
    "butterfly",
    "monarch",
    "cp",
    "tucker",
    "tensor_train",
    "tensor_train_matrix",
    "axial_table",
)

FACTOR_OPTIONS = {"axial_table": {"x": 16, "y": 16}, "robust_pca": {"iterations": 20}}  # a grid of 256 places
LARGEST = {"axial_table": 256}

OPTIONS = {
    "performer_attention": {"rank": 128, "rng": 0},
    "linformer_attention": {"rank": 128},
    "window_attention": {"window": 64},
    "longformer_attention": {"window": 64, "global_tokens": (0, 100, 200)},
    "lowrank_attention": {"rank": 32},
}
SIZES = {  # the letters of these options and of the embedded input, then all others
    "d": 32, "e": 32, "r": 128, "w": 64, "g": 3,
    "a": 32, "b": 64, "c": 64, "f": 32, "h": 2, "l": 128, "p": 8, "s": 2, "t": 16, "u": 64,
}  # fmt: skip

OWN_SIZES = {"multirepresentational_attention": {"m": 6}}  # its keys are the representations of a token
LONGEST = {  # what takes too long or too much memory beyond
    "lowrank_attention": 256,
    "multidimensional_attention": 1024,
    "coda_attention": 1024,
    "area_attention": 1024,
    "grouped_query_attention": 1024,
}
LENGTHS = [256, 1024, 4096]
LIBRARIES = ["numpy", "cupy"]
KERNELS = ["off", "auto"]


def mechanism(name):
    """The function of that name, or a skip."""
    if factorattn is None or name not in getattr(factorattn, "CATALOGUE", ()):
        raise NotImplementedError(f"this commit has no {name}")
    return factorattn.CATALOGUE[name]


def factorization(name):
    """The function of that name, or a skip."""
    found = getattr(getattr(factorattn, "factor", None), "FACTORIZATIONS", {})
    if name not in found:
        raise NotImplementedError(f"this commit has no {name}")
    return found[name]


def falling(needs, n):
    """A float32 matrix (n, n) of the kind that a factorization needs, or a tensor of as many entries."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, n, n)) / n**0.5
    spectrum = 1.0 / np.arange(1, n + 1)
    if needs == "semidefinite":
        return ((left * spectrum) @ left.T).astype("float32")
    a = (left * spectrum) @ right
    if needs == "tensor":
        a = a.reshape(n, 16, n // 16)
    return (np.abs(a) if needs == "nonnegative" else a).astype("float32")


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


def sizes(name, n):
    """A size for every letter at length n; a grid has n places."""
    return {**SIZES, "n": n, "m": n, "x": n // 16, "y": 16, **OWN_SIZES.get(name, {})}


def inputs(f, n, dtype="float32"):
    """The arrays that a mechanism cannot do without: real queries, keys and values, and normal numbers for the rest."""
    real = dict(zip("qkv", embedded(n, dtype), strict=True))
    lengths, rng, found = sizes(f.__name__, n), np.random.default_rng(0), {}
    for item in factorattn.contract.parse(f.record.inputs):
        if item.kind != "array" or item.optional:
            continue
        shape = tuple(lengths[letter] for letter in item.axes)
        like = real.get(item.name)
        if like is not None and like.shape[-2:] == shape:
            found[item.name] = like
        else:
            found[item.name] = rng.standard_normal(((2,) if item.batched else ()) + shape).astype(dtype)
    return found


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
