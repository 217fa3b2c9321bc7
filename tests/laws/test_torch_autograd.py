"""The same texts on arrays of torch, differentiated by torch: whatever the catalogue has, in all its forms."""

import numpy as np
import pytest

from factorattn import CATALOGUE, kernels
from factorattn.contract import sample
from factorattn.distribution import DISTRIBUTIONS
from factorattn.interpret.gradient import vjp
from factorattn.position import POSITIONS
from factorattn.score import SCORES
from factorattn.testing import FEW, ROUNDING
from factorattn.testing.check import cases

pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore:torch.asarray. unspecified requires_grad"),
]
torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")

SIZES = {**FEW, "f": 3, "h": 2, "r": 7, "l": 9}
CASES = [case for f in CATALOGUE.values() for case in cases(f, sizes=FEW)]


def same(f, given):
    """Hold the pullback of ``f(arrays)`` against torch's, for one cotangent; arrays by name."""
    given = {name: torch.tensor(x) for name, x in given.items()}
    floating = [name for name, x in given.items() if x.is_floating_point()]
    leaves = given | {name: given[name].clone().requires_grad_() for name in floating}
    with kernels("off"):
        out = f(leaves)
    g = torch.tensor(np.random.default_rng(1).standard_normal(tuple(out.shape)))
    if out.requires_grad:
        want = torch.autograd.grad(out, [leaves[name] for name in floating], g, allow_unused=True)
    else:
        want = [None] * len(floating)
    (got,) = vjp(f, given)[1](g)
    length = out.numel() * max(given[name].numel() for name in floating)  # the entries of a Jacobian
    largest = max((float(x.abs().max()) for x in want if x is not None and x.numel()), default=0.0) or 1.0
    for name, x in zip(floating, want, strict=True):
        off = got[name] if x is None else got[name] - x
        error = float(off.abs().max()) / largest if off.numel() else 0.0
        assert error <= ROUNDING(np.float64, length), f"by {name}: {error}"


def apart(drawn):
    """Arrays, and what else a function takes."""
    arrays = {name: x for name, x in drawn.items() if isinstance(x, np.ndarray)}
    return arrays, {name: x for name, x in drawn.items() if name not in arrays}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_mechanism(case):
    arrays, rest = apart(case.inputs())
    options = {"form": case.form} | ({"causal": case.causal} if case.record.causal in ("option", "values") else {})
    same(lambda given: case.f(**given, **rest, **options), arrays)


@pytest.mark.parametrize("name", SCORES)
def test_a_score(name):
    sizes = {**SIZES, "f": SIZES["d"] + SIZES["c"]} if name == "concat" else SIZES
    arrays, rest = apart(sample(SCORES[name].record.inputs, np.random.default_rng(0), sizes))
    same(lambda given: SCORES[name](**given, **rest), arrays)


# Torch goes through the steps of a search for a root, which have no derivative: `entmax` is held elsewhere.
OPTIONS = {"top_k": {"k": 3}}


@pytest.mark.parametrize("name", sorted(set(DISTRIBUTIONS) - {"deattention", "multinoulli", "entmax"}))
def test_a_distribution(name):
    scores = np.random.default_rng(0).exponential(size=(2, 4, 6))
    same(lambda given: DISTRIBUTIONS[name](given["a"], **OPTIONS.get(name, {})), {"a": scores})


def test_deattention():
    a, b = np.random.default_rng(0).standard_normal((2, 4, 6))
    same(lambda given: DISTRIBUTIONS["deattention"](given["a"], given["b"]), {"a": a, "b": b})


@pytest.mark.parametrize("name", sorted(set(POSITIONS) - {"alibi", "alibi_slopes", "sinusoidal", "t5_buckets"}))
def test_a_position(name):
    sizes = {**SIZES, "r": 8} if name == "t5_relative" else SIZES
    arrays, rest = apart(sample(POSITIONS[name].record.inputs, np.random.default_rng(0), sizes))
    if name == "kerple":
        arrays |= {key: np.abs(arrays[key]) for key in ("r_1", "r_2")}
    same(lambda given: POSITIONS[name](**given, **rest), arrays)
