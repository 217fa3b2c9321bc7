"""Every kind of factored matrix stands for W_Q, W_K, W_V, W_O, feed-forward weights and embeddings; on any device."""

import inspect

import array_api_strict
import numpy as np
import pytest
from libraries import LIBRARIES

import factorattn as fa
from factorattn.compress import ADAPTERS, WEIGHTED
from factorattn.factor import FACTORIZATIONS, Heads
from factorattn.model.bert import bert
from factorattn.testing import ROUNDING
from factorattn.testing.case import to_numpy

H, D, HIDDEN, WORDS, PLACES = 4, 4, 24, 32, 8
C = H * D
ALL = {**FACTORIZATIONS, **WEIGHTED, **ADAPTERS}
MATRICES = {
    "embeddings.word_embeddings": (WORDS, C),
    "embeddings.position_embeddings": (PLACES, C),
    "encoder.layer.0.attention.self.query": (C, C),
    "encoder.layer.0.attention.self.key": (C, C),
    "encoder.layer.0.attention.self.value": (C, C),
    "encoder.layer.0.attention.output.dense": (C, C),
    "encoder.layer.0.intermediate.dense": (HIDDEN, C),
    "encoder.layer.0.output.dense": (C, HIDDEN),
}
every_kind = pytest.mark.parametrize("f", ALL.values(), ids=ALL)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def made(f, p, q, asarray):
    """A matrix (p, q) as `f` factors or adapts it, or None where it takes no such shape."""
    rng, needs = np.random.default_rng(0), getattr(f.record, "needs", "any")
    a = rng.standard_normal((p, q))
    if needs in ("square", "semidefinite") and p != q:
        return None
    a = a @ a.T / p if needs == "semidefinite" else np.abs(a) if needs == "nonnegative" else a
    names = inspect.signature(f).parameters
    options = {"rng": 0} if "rng" in names and f.__name__ != "cp" else {}
    if "rank = r" in f.record.inputs:
        options["rank"] = 3
    if f.__name__ == "axial_table":
        options.update(x=4, y=p // 4)
    if f.__name__ in ("asvd", "svd_llm"):
        options["x"] = asarray(rng.standard_normal((30, q)))
    factored = f(asarray(a), **options)
    if f.__name__ in ADAPTERS:  # at the start most of them are the weights alone
        return factored.trained(**{name: x + 0.1 for name, x in factored.trainable.items()})
    return factored


def close(got, want):
    got, want = to_numpy(got), to_numpy(want)
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= ROUNDING("float64", C * C * HIDDEN) * np.max(np.abs(want))


@every_kind
def test_every_projection_of_attention_may_be_of_any_kind(f, xp):
    rng, factored = np.random.default_rng(1), made(f, C, C, xp.asarray)
    dense = factored.to_dense()
    x, *weights = (xp.asarray(rng.standard_normal(s)) for s in ((2, 5, C), *[(C, C)] * 3))
    heads = [xp.asarray(rng.standard_normal(s)) for s in (*[(H, D, C)] * 3, (H, C, D))]
    for i in range(3):
        small, whole = ([*weights[:i], w, *weights[i + 1 :]] for w in (factored, dense))
        close(fa.self_attention(x, *small), fa.self_attention(x, *whole))
    for i in range(4):
        one = Heads(factored, H, side="out" if i < 3 else "in")
        small, whole = ([*heads[:i], w, *heads[i + 1 :]] for w in (one, one.to_dense()))
        close(fa.multihead_attention(x, *small), fa.multihead_attention(x, *whole))


@every_kind
def test_every_matrix_of_an_encoder_may_be_of_any_kind(f, xp):
    rng = np.random.default_rng(2)
    parameters = {f"{name}.weight": xp.asarray(0.3 * rng.standard_normal(s)) for name, s in MATRICES.items()}
    parameters["embeddings.token_type_embeddings.weight"] = xp.asarray(rng.standard_normal((2, C)))
    for name, (p, _) in MATRICES.items():
        if "embeddings" not in name:
            parameters[f"{name}.bias"] = xp.asarray(rng.standard_normal(p))
    for norm in ("embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"):
        for part in ("weight", "bias"):
            parameters[f"{norm}.LayerNorm.{part}"] = xp.asarray(rng.standard_normal(C))
    ids, tried = xp.asarray([[1, 2, 3, 4, 5], [7, 8, WORDS - 1, 0, 1]]), 0
    for name, (p, q) in MATRICES.items():
        factored = made(f, p, q, xp.asarray)
        if factored is None:
            continue
        small, whole = (
            bert({**parameters, f"{name}.weight": w}, ids, heads=H) for w in (factored, factored.to_dense())
        )
        close(small, whole)
        tried += 1
    assert tried >= 4


@every_kind
def test_factors_stay_on_the_device_of_the_matrix(f):
    """What is made without a device is made on the first one, and refused beside an array of the second."""
    device = array_api_strict.Device("device1")
    factored = made(f, C, C, lambda x: array_api_strict.asarray(x, device=device))
    x = array_api_strict.asarray(np.ones(C), device=device)
    index = array_api_strict.asarray([3, 0], device=device)
    products = (
        factored.matvec(x),
        factored.rmatvec(x),
        factored.rows(index),
        factored.to_dense(),
        factored.mT.to_dense(),
    )
    bound = () if factored.error_bound is None else (factored.error_bound,)
    assert {part.device for part in (*products, *bound, *factored.arrays())} == {device}
