"""A slot of every mechanism of the catalogue, with sizes for short sequences and a narrow model."""

from factorattn import CATALOGUE
from factorattn.model.transformer import Slot

C, HEADS, LONGEST = 12, 3, 12  # width and heads of the model, and the tokens that tables and grids are made for
SIZES = {
    "aft_attention": {"n": LONGEST, "m": LONGEST},
    "axial_attention": {"x": 3, "y": 4},
    "compressive_attention": {"f": 3},
    "grouped_query_attention": {"g": 1},
    "infinite_former_attention": {"r": 5},
    "latent_attention": {"p": 5, "r": 4, "f": 2},
    "linformer_attention": {"r": 5, "m": LONGEST},
    "local_2d_attention": {"x": 3, "y": 4},
    "local_predictive_attention": {"a": 5},
    "persistent_attention": {"l": 2},
    "routing_attention": {"t": 3},
    "soft_attention": {"a": 5},
    "transformer_xl_attention": {"f": 3},
}
OPTIONS = {
    "adaptive_span_attention": {"window": 4, "ramp": 3.0},
    "bigbird_attention": {"block": 2, "random": 1},
    "clustered_attention": {"clusters": 3},
    "cosformer_attention": {"length": 20},
    "dilated_attention": {"window": 2},
    "fixed_attention": {"stride": 3, "summary": 1},
    "improved_clustered_attention": {"clusters": 3, "top": 4},
    "local_1d_attention": {"block": 3},
    "local_2d_attention": {"block": (2, 4), "memory": (1, 1)},
    "local_monotonic_attention": {"window": 2},
    "local_predictive_attention": {"window": 2},
    "longformer_attention": {"window": 2, "global_tokens": (0,)},
    "lowrank_attention": {"rank": 3},
    "nystrom_attention": {"rank": 4},
    "reformer_attention": {"block": 4},
    "sinkhorn_attention": {"block": 3},
    "strided_attention": {"stride": 3},
    "window_attention": {"window": 2},
}
POOLING = (
    "alternating_co_attention",
    "hierarchical_attention",
    "multirepresentational_attention",
    "parallel_co_attention",
    "source2token_attention",
    "structured_attention",
)
ONE_SEQUENCE = (
    "adaptive_span_attention",
    "axial_attention",
    "bigbird_attention",
    "compressive_attention",
    "dilated_attention",
    "fixed_attention",
    "local_1d_attention",
    "local_2d_attention",
    "longformer_attention",
    "multidimensional_attention",
    "nystrom_attention",
    "reformer_attention",
    "self_attention",
    "sinkhorn_attention",
    "strided_attention",
    "transformer_xl_attention",
    "window_attention",
)
STANDING = sorted(set(CATALOGUE) - set(POOLING))


def slot_of(name, **changes):
    """A slot of a mechanism, with what it needs to stand there."""
    told = {"sizes": SIZES.get(name, {}), "options": OPTIONS.get(name, {})}
    return Slot(name, **told | changes)
