"""Derivatives with each option away from its default, against central differences; and of grids, which have no axis n.

The laws of derivatives (`tests/laws/test_gradients.py`) take every mechanism with its defaults.
"""

import inspect
import itertools

import array_api_compat
import numpy as np
import pytest

import factorattn as fa
from factorattn import CATALOGUE, pattern
from factorattn.attention.alignment.engine import PLAIN_DISTRIBUTIONS, PLAIN_SCORES
from factorattn.contract import parse
from factorattn.interpret.gradient import jacobian
from factorattn.testing import FEW, Case, differences

SIZES = {**FEW, "n": 9, "m": 9}
N = SIZES["n"]
BIAS = np.random.default_rng(9).standard_normal((N, N))
SEEN = np.random.default_rng(8).random((N, N)) < 0.4
WHOLE = np.arange(N) % 4 != 1
BESIDE = ("form", "mask", "causal", "scale")  # in all cases, with a law of their own, or a factor

# None leaves an optional array out. Arrays are differentiated like those of the contract.
VARIED = {
    "adaptive_span": [{"ramp": 2.5, "own": True, "window": 6}],
    "aft": [{"window": 2}],
    "alternating_co": [{"v_mask": WHOLE, "q_mask": WHOLE}],
    "area": [{"columns": None, "height": None, "sizes": None, "w_1": None, "b_1": None, "w_d": None}],
    "axial": [{"axis": "column"}],
    "bigbird": [
        {"block": 2, "window": 1, "random": 1, "global_tokens": (), "rng": 1},
        {"block": 2, "window": 0, "random": 2, "global_tokens": (5,)},
    ],
    "clustered": [{"iterations": 2, "hashes": None, "rng": 1}],
    "coda": [
        {"gate": "centre", "alpha": 0.7},
        {"gate": "plain", "beta": 0.6},
        {"gate": "scale", "q_n": None, "k_n": None},
    ],
    "compressive": [{"u": None, "v_bias": None, "k_memory": None, "v_memory": None}],
    "continuous_softmax": [{"widths": (0.2, 0.3), "ridge": 0.5, "g": None}],
    "continuous_sparsemax": [{"widths": (0.2, 0.3), "ridge": 0.5, "g": None}],
    "cosformer": [{"length": 20}],
    "dilated": [{"dilation": 3}],
    "fixed": [{"stride": 4, "summary": 2, "part": part} for part in ("merged", "local", "summary")],
    "general": [
        *({"score": score, "distribution": d} for score, d in itertools.product(PLAIN_SCORES, ("softmax", "entmax"))),
        *({"distribution": name} for name in PLAIN_DISTRIBUTIONS if name not in ("multinoulli", "sinkhorn")),
        {"bias": BIAS},
    ],
    "grouped_query": [{"bias": BIAS}],
    "hard": [{"score": "dot", "bias": BIAS}, {"sample": True, "rng": 1, "u": None}],
    "hierarchical": [{"encode": lambda x: x * x}],
    "improved_clustered": [{"iterations": 2, "hashes": None, "rng": 1}],
    "infinite_former": [{"widths": (0.2, 0.3)}],
    "informer": [
        {"measure": "averaged"},
        {"measure": "exact", "picks": None, "samples": None},
        {"rest": "sum", "picks": None, "rng": 1},
    ],
    "latent": [
        {"layout": "halves", "base": 100.0, "bias": BIAS},
        {"w_qr": None, "w_kr": None, "layout": "interleaved"},
    ],
    "local_1d": [{"memory": 1}],
    "local_2d": [{"block": (2, 4), "memory": (1, 1)}],
    "local_monotonic": [{"score": score} for score in PLAIN_SCORES],
    "local_predictive": [{"score": score, "sigma": 0.8} for score in PLAIN_SCORES],
    "longformer": [{"dilation": 2}, {"global_tokens": (), "q_global": None, "k_global": None, "v_global": None}],
    "lowrank": [{"bias": BIAS, "rank": 3}],
    "multidimensional": [
        {"direction": "others", "activation": "elu"},
        {"direction": "forward", "ceiling": 2.0},
        {"direction": "backward", "activation": "tanh"},
        {"direction": "all", "w": None},
    ],
    "multihead": [{"bias": BIAS}],
    "multiquery": [{"bias": BIAS}],
    "multirepresentational": [{"phi": phi, "b_a": 0.3} for phi in ("softmax", "sigmoid", "tanh")],
    "nystrom": [{"inverse": "exact"}, {"inverse": "iterative", "iterations": 3}],
    "parallel_co": [{"v_mask": WHOLE, "q_mask": WHOLE}],
    "pattern": [{"pattern": pattern.Pattern.from_dense(SEEN)}],
    "performer": [
        *(
            {"features": features, "epsilon": 0.1, "omega": None, "rank": 5, "rng": 0}
            for features in ("relu", "exp", "sigmoid", "abs", "cos", "tanh", "identity")
        ),
        *({"features": features} for features in ("positive", "trigonometric", "hyperbolic")),
        {"directions": "hadamard", "length": "constant", "omega": None, "rng": 0},
    ],
    "persistent": [{"reparametrised": True}],
    "random_feature": [
        {"features": "arccos"},
        {"features": "gaussian", "directions": "orthogonal", "length": "constant", "omega": None, "rng": 0},
    ],
    "reformer": [{"buckets": 4, "rotations": None, "rounds": 2, "rng": 0}],
    "routing": [{"eps": 0.1}],
    "sinkhorn": [
        {"local": "sum", "iterations": 2, "temperature": 1.5},
        {"local": "none"},
        {"local": "joint", "cut": 2},
        {"scores": np.random.default_rng(7).standard_normal((3, 3))},
    ],
    "softmax": [
        {"bias": BIAS, "softcap": 1.5, "window": (3, 1), "offset": 1},
        {"return_lse": True},
    ],
    "source2token": [{"activation": "tanh"}, {"activation": "elu"}],
    "strided": [{"stride": 4, "part": part} for part in ("merged", "local", "strided")],
    "structured": [{"return_weights": True}],
    "transformer_xl": [{"u": None, "v_bias": None, "k_memory": None, "v_memory": None}],
}
ELSEWHERE = {"softmax": ("grouped",), "multirepresentational": ("context",)}  # of other shapes: tests below
CAUSAL_REFUSES = {"cut", "offset"} | {("gate", "centre"), ("direction", "backward"), ("direction", "others")}


def _cases():
    for name, options in VARIED.items():
        f = CATALOGUE[f"{name}_attention"]
        causal = {"never": (False,), "always": (True,)}.get(f.record.causal, (False, True))
        usual = inspect.signature(f).parameters["form"].default
        for number, varied in enumerate(options):
            few = number > 2  # of a long list each is tried once
            for form, late in itertools.product((usual,) if few else f.record.forms, causal[-1:] if few else causal):
                if not (late and CAUSAL_REFUSES & {*varied, *_words(varied)}):
                    yield pytest.param(Case(f, form, late, sizes=SIZES), varied, id=f"{name}-{number}-{form}-{late}")


def _words(varied):
    return [item for item in varied.items() if isinstance(item[1], str)]


@pytest.fixture
def narrow(monkeypatch):
    """Differences that step over fewer kinks: of ReLU, distances, maxima."""
    monkeypatch.setattr(differences, "STEP", 2.0**-16)


@pytest.mark.parametrize(("case", "varied"), list(_cases()))
def test_an_option_is_differentiated(narrow, case, varied):
    arrays = {name: x for name, x in varied.items() if isinstance(x, np.ndarray)}
    options = {name: x for name, x in varied.items() if name not in arrays and x is not None}
    scale = {"scale": 0.4} if "scale" in inspect.signature(case.f).parameters else {}
    given = {name: x for name, x in case.inputs().items() if name not in varied} | arrays
    differences.check_gradients(lambda given: case.call(given, **options, **scale), given)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_option_is_tried(name):
    f, short = CATALOGUE[name], name.removesuffix("_attention")
    arguments = {item.name for item in parse(f.record.inputs)}
    asked = set(inspect.signature(f).parameters) - arguments - set(BESIDE)
    refused = set(f.record.refuses)
    tried = {option for varied in VARIED.get(short, ()) for option in varied}
    assert asked - refused <= tried | {*ELSEWHERE.get(short, ())} | ({"rng"} if "rng" in asked else set())


def test_scores_of_an_alignment_that_is_balanced_over_queries():
    case = Case(fa.general_attention, "dense", sizes=SIZES)
    differences.check_gradients(lambda given: case.call(given, distribution="sinkhorn"), case.inputs())


def test_grouped_heads():
    q, k, v = (np.random.default_rng(i).standard_normal((h, 5, 3)) for i, h in enumerate((4, 2, 2)))
    for form in fa.softmax_attention.record.forms:
        differences.check_gradients(lambda *x, form=form: fa.softmax_attention(*x, grouped=True, form=form), q, k, v)


def test_a_context_of_representations():
    f = fa.multirepresentational_attention
    inputs = Case(f, "tiled", sizes=SIZES).inputs()
    rng = np.random.default_rng(0)
    inputs["context"] = rng.standard_normal((*inputs["x"].shape[:-1], 4))
    inputs["a"] = rng.standard_normal(4)
    for form in f.record.forms:
        differences.check_gradients(lambda given, form=form: f(**given, form=form), inputs)


@pytest.mark.parametrize("name", ["axial", "local_2d"])
def test_the_future_of_a_grid_has_no_gradient(name):
    """What an output has a gradient by, exactly, is what its mask says: earlier places of the line, or of the walk."""
    f = CATALOGUE[f"{name}_attention"]
    options = {"block": (2, 4), "memory": (1, 1)} if name == "local_2d" else {}
    for form in f.record.forms:
        case = Case(f, form, True, sizes={**SIZES, "x": 4, "y": 4, "d": 2, "e": 1})
        inputs = case.inputs()

        def total(given, case=case):
            o = case.call(given, **options)
            return array_api_compat.array_namespace(o).sum(o, axis=-1)  # (x, y)

        found = jacobian(total)(inputs)
        reached = [np.any(np.abs(x) > 0, axis=-1).reshape(16, 16) for x in found.values()]
        earlier = np.tril(np.ones((16, 16), bool))
        if name == "axial":
            line = np.arange(16) // 4
            want = earlier & (line[:, None] == line[None, :])
        else:
            want = pattern.local_2d(4, 4, (2, 4), (1, 1), causal=True).dense()
            assert not np.any(want & ~earlier)  # blocks as wide as the grid follow each other as tokens do
        for seen, array in zip(reached, found, strict=True):
            assert not np.any(seen & ~want), f"{array} of a later place has a gradient"
        np.testing.assert_array_equal(reached[-1], want)  # values: all that is seen, and nothing else
