"""Checkpoints factored and restored."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from factorattn.compress.checkpoint.description import KEY
from factorattn.compress.checkpoint.factorize import NothingFactored, factorize_checkpoint
from factorattn.compress.checkpoint.methods import METHODS
from factorattn.compress.checkpoint.norms import TOLERANCE, frobenius_norm, spectral_norm
from factorattn.compress.checkpoint.reading import open_checkpoint
from factorattn.compress.checkpoint.reconstruct import reconstruct_checkpoint
from factorattn.compress.checkpoint.tensors import CheckpointError, decode, encode
from factorattn.factor import truncated_svd
from factorattn.testing import ROUNDING

DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
HALF = 2.0**-8  # unit roundoff of bfloat16


def rounding(tag, *shape):
    """What rounding explains, relative to the norm of a matrix of this shape."""
    return ROUNDING(DTYPES[tag], int(np.prod(shape)))


def matrix(p, q, *, seed=0, decay=0.8):
    """A matrix with singular values 1, decay, decay^2, ..."""
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.standard_normal((p, min(p, q))))
    v, _ = np.linalg.qr(rng.standard_normal((q, min(p, q))))
    return (u * decay ** np.arange(min(p, q))) @ v.T


def tensors(dtype=np.float32):
    return {
        "layer.0.w": matrix(40, 24).astype(dtype),
        "layer.1.w": matrix(24, 60, seed=1).astype(dtype),
        "layer.0.b": np.linspace(0, 1, 24).astype(dtype),
        "kernel": np.arange(24.0).reshape(2, 3, 4).astype(dtype),
        "ids": np.arange(12).reshape(3, 4),
    }


@pytest.fixture
def source(tmp_path):
    save_file(tensors(), tmp_path / "in.safetensors", metadata={"format": "pt"})
    return tmp_path / "in.safetensors"


def metadata(path):
    with safe_open(path, framework="numpy") as file:
        return file.metadata()


def relative(a, b, norm):
    return np.linalg.norm(a.astype(np.float64) - b.astype(np.float64), norm) / np.linalg.norm(
        a.astype(np.float64), norm
    )


# Factors and their errors


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tag", DTYPES)
def test_errors_and_sizes_are_those_of_what_is_in_the_file(tmp_path, method, tag):
    own = tensors(DTYPES[tag])
    save_file(own, tmp_path / "in.safetensors")
    report = factorize_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors", method=method, rank=5)
    reconstruct_checkpoint(tmp_path / "out.safetensors", tmp_path / "back.safetensors")
    stored, back = load_file(tmp_path / "out.safetensors"), load_file(tmp_path / "back.safetensors")
    assert [row.name for row in report.rows] == ["layer.0.w", "layer.1.w"]
    for row in report.rows:
        parts = [x for name, x in stored.items() if name.startswith(f"{row.name}.")]
        assert all(x.dtype == DTYPES[tag] for x in parts if x.dtype.kind == "f")
        assert row.after.parameters == sum(x.size for x in parts if x.dtype.kind == "f")
        assert row.after.nbytes == sum(x.nbytes for x in parts)
        assert METHODS[method].parameters(5, *row.shape) in (row.after.parameters, None)
        assert (row.before.parameters, row.before.flops) == (own[row.name].size, 2 * own[row.name].size)
        # restored, the error is that of the table, but for rounding to the dtype of the matrix
        slack = rounding(tag, *row.shape)
        assert row.frobenius == pytest.approx(relative(own[row.name], back[row.name], "fro"), abs=slack)
        assert row.spectral == pytest.approx(relative(own[row.name], back[row.name], 2), rel=TOLERANCE, abs=slack)
        assert row.energy == 1 - row.frobenius**2


def test_svd_is_the_nearest_matrix_of_its_rank_to_rounding(source, tmp_path):
    report = factorize_checkpoint(source, tmp_path / "out.safetensors", rank=5)
    for row in report.rows:
        s = np.linalg.svd(tensors()[row.name].astype(np.float64), compute_uv=False)
        assert row.frobenius == pytest.approx(
            np.linalg.norm(s[5:]) / np.linalg.norm(s), abs=rounding("F32", *row.shape)
        )
        assert row.spectral == pytest.approx(s[5] / s[0], abs=rounding("F32", *row.shape))


def test_full_rank_comes_back_to_rounding(source, tmp_path):
    report = factorize_checkpoint(source, tmp_path / "out.safetensors", rank=100, force=True)
    assert [row.rank for row in report.rows] == [24, 24]
    reconstruct_checkpoint(tmp_path / "out.safetensors", tmp_path / "back.safetensors")
    for name, x in tensors().items():
        back = load_file(tmp_path / "back.safetensors")[name]
        assert np.linalg.norm(back - x) <= rounding("F32", *x.shape) * np.linalg.norm(x)


def test_the_restored_matrix_is_the_product_of_the_stored_factors_to_the_last_bit(source, tmp_path):
    factorize_checkpoint(source, tmp_path / "out.safetensors", rank=5)
    reconstruct_checkpoint(tmp_path / "out.safetensors", tmp_path / "back.safetensors")
    stored, back = load_file(tmp_path / "out.safetensors"), load_file(tmp_path / "back.safetensors")
    for name in ("layer.0.w", "layer.1.w"):
        np.testing.assert_array_equal(back[name], stored[f"{name}.factors.0"] @ stored[f"{name}.factors.1"])


def test_all_else_is_as_it_was(source, tmp_path):
    factorize_checkpoint(source, tmp_path / "out.safetensors", rank=5)
    reconstruct_checkpoint(tmp_path / "out.safetensors", tmp_path / "back.safetensors")
    stored, back = load_file(tmp_path / "out.safetensors"), load_file(tmp_path / "back.safetensors")
    assert set(back) == set(tensors())
    for name in ("layer.0.b", "kernel", "ids"):
        for found in (stored[name], back[name]):
            assert (found.dtype, found.tobytes()) == (tensors()[name].dtype, tensors()[name].tobytes())
    assert metadata(tmp_path / "out.safetensors")["format"] == "pt"
    assert metadata(tmp_path / "back.safetensors") == {"format": "pt"}
    assert all(back[name].dtype == x.dtype and back[name].shape == x.shape for name, x in tensors().items())


def test_bfloat16_is_read_stored_and_restored(tmp_path):
    exact = matrix(40, 24).astype(np.float32)
    data = bytes(encode(exact, "BF16"))
    header = json.dumps({"w": {"dtype": "BF16", "shape": [40, 24], "data_offsets": [0, len(data)]}}).encode()
    (tmp_path / "in.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + data)
    (row,) = factorize_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors", rank=8).rows
    reconstruct_checkpoint(tmp_path / "out.safetensors", tmp_path / "back.safetensors")
    with open_checkpoint(tmp_path / "out.safetensors") as found:
        assert {entry.dtype for entry in found.tensors.values()} == {"BF16"}
    with open_checkpoint(tmp_path / "back.safetensors") as found:
        entry = found.tensors["w"]
        assert (entry.dtype, entry.shape) == ("BF16", (40, 24))
        back = decode(entry.read(), "BF16", entry.shape)
    rounded = decode(data, "BF16", (40, 24))
    assert row.frobenius == pytest.approx(relative(rounded, back, "fro"), abs=HALF)
    s = np.linalg.svd(rounded.astype(np.float64), compute_uv=False)
    best = np.linalg.norm(s[8:]) / np.linalg.norm(s)
    assert best < row.frobenius < best + 4 * HALF  # factors in bfloat16 cost more than the best, and it is told


def test_factors_in_another_dtype(source, tmp_path):
    wide = factorize_checkpoint(source, tmp_path / "a.safetensors", rank=5)
    half = factorize_checkpoint(source, tmp_path / "b.safetensors", rank=5, dtype="float16")
    assert all(x.after.nbytes == 2 * y.after.nbytes for x, y in zip(wide.rows, half.rows, strict=True))
    assert all(x.frobenius < y.frobenius for x, y in zip(wide.rows, half.rows, strict=True))
    reconstruct_checkpoint(tmp_path / "b.safetensors", tmp_path / "back.safetensors")
    assert load_file(tmp_path / "back.safetensors")["layer.0.w"].dtype == np.float32


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**100])
def test_errors_do_not_depend_on_the_scale(tmp_path, scale):
    found = []
    for factor in (1.0, scale):
        save_file({"w": (matrix(80, 70) * factor).astype(np.float32)}, tmp_path / "in.safetensors")
        (row,) = factorize_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors", rank=9).rows
        found.append((row.frobenius, row.spectral))
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=rounding("F32", 80, 70))


def test_hard_matrices(tmp_path):
    own = {"zero": np.zeros((9, 8)), "row": np.ones((1, 9)), "column": np.ones((9, 1)), "empty": np.ones((0, 5))}
    own["hilbert"] = 1.0 / (np.arange(9)[:, None] + np.arange(9) + 1)
    save_file(own, tmp_path / "in.safetensors")
    report = factorize_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors", energy=0.999)
    rows = {row.name: row for row in report.rows}
    assert rows.keys() == own.keys() - {"empty"}
    assert (rows["zero"].rank, rows["zero"].frobenius, rows["zero"].spectral, rows["zero"].energy) == (1, 0, 0, 1)
    assert rows["row"].rank is None
    assert rows["hilbert"].rank is not None
    reconstruct_checkpoint(tmp_path / "out.safetensors", tmp_path / "back.safetensors")
    back = load_file(tmp_path / "back.safetensors")
    assert not back["zero"].any()
    assert back["empty"].shape == (0, 5)


# Ranks


def test_energy_takes_the_smallest_rank_that_keeps_it(source, tmp_path):
    report = factorize_checkpoint(source, tmp_path / "out.safetensors", energy=0.9, force=True)
    for row in report.rows:
        s = np.linalg.svd(tensors()[row.name].astype(np.float64), compute_uv=False)
        kept = np.cumsum(s**2) / np.sum(s**2)
        assert kept[row.rank - 1] >= 0.9 > kept[row.rank - 2]
        assert row.energy == pytest.approx(kept[row.rank - 1], abs=rounding("F32", *row.shape))


def test_error_takes_the_smallest_rank_that_meets_it(source, tmp_path):
    report = factorize_checkpoint(source, tmp_path / "out.safetensors", error=0.3)
    for row in report.rows:
        s = np.linalg.svd(tensors()[row.name].astype(np.float64), compute_uv=False)
        rest = [np.linalg.norm(s[r:]) / np.linalg.norm(s) for r in range(s.size + 1)]
        assert rest[row.rank] <= 0.3 < rest[row.rank - 1]


@pytest.mark.parametrize("budget", [0.2, 0.5, 0.9])
def test_budget_is_met_and_used(source, tmp_path, budget):
    report = factorize_checkpoint(source, tmp_path / "out.safetensors", budget=budget)
    before, after = report.totals
    step = max(sum(row.shape) for row in report.rows)
    assert budget * before.parameters - step < after.parameters <= budget * before.parameters


def test_what_would_not_pay_is_left_dense_unless_forced(source, tmp_path):
    report = factorize_checkpoint(source, tmp_path / "out.safetensors", rank=16)  # break-even at 15 and at 17.1
    assert [(row.wanted, row.rank) for row in report.rows] == [(16, None), (16, 16)]
    dense = report.rows[0]
    assert (dense.frobenius, dense.spectral, dense.energy, dense.before) == (0, 0, 1, dense.after)
    assert load_file(tmp_path / "out.safetensors")["layer.0.w"].tobytes() == tensors()["layer.0.w"].tobytes()
    forced = factorize_checkpoint(source, tmp_path / "out.safetensors", rank=16, force=True)
    assert [row.rank for row in forced.rows] == [16, 16]
    with pytest.raises(NothingFactored) as nothing:
        factorize_checkpoint(source, tmp_path / "none.safetensors", rank=20)
    assert [row.rank for row in nothing.value.report.rows] == [None, None]
    assert not (tmp_path / "none.safetensors").exists()


def test_as_many_numbers_as_the_matrix_do_not_pay(tmp_path):
    save_file({"w": matrix(4, 4), "v": matrix(8, 8)}, tmp_path / "in.safetensors")
    for method, rank in (("kronecker", 2), ("svd", 2)):  # 2 (4 + 4) = 4 * 4
        options = {"method": method, "rank": rank}
        rows = factorize_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors", **options).rows
        assert {row.name: row.rank for row in rows} == {"v": rank, "w": None}


def test_patterns_choose(source, tmp_path):
    def names(**options):
        return [row.name for row in factorize_checkpoint(source, tmp_path / "o.safetensors", rank=2, **options).rows]

    assert names(include=["layer.0.*"]) == ["layer.0.w"]
    assert names(exclude=["*.0.*"]) == ["layer.1.w"]
    assert names(include=["layer.0.w", "layer.1.?"]) == ["layer.0.w", "layer.1.w"]
    with pytest.raises(
        CheckpointError, match=r"'LAYER\*' matches no matrix of in.safetensors; it has layer.0.w, layer.1.w"
    ):
        names(include=["LAYER*"])
    with pytest.raises(CheckpointError, match="matches no matrix"):
        names(include=["*", "kernel"])  # not a matrix
    with pytest.raises(CheckpointError, match="that matches is excluded"):
        names(exclude=["*"])


# Files


def test_the_same_options_give_the_same_bytes(source, tmp_path):
    for name in "ab":
        factorize_checkpoint(source, tmp_path / f"{name}.safetensors", rank=5, method="randomized", seed=3)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    factorize_checkpoint(source, tmp_path / "c.safetensors", rank=5, method="randomized", seed=4)
    assert (tmp_path / "a.safetensors").read_bytes() != (tmp_path / "c.safetensors").read_bytes()


@pytest.mark.parametrize("first", ["npz", "safetensors"])
@pytest.mark.parametrize("second", ["npz", "safetensors"])
def test_every_pair_of_formats(tmp_path, first, second):
    path = tmp_path / f"in.{first}"
    save_file(tensors(), path) if first == "safetensors" else np.savez(path, **tensors())
    factorize_checkpoint(path, tmp_path / f"out.{second}", rank=5)
    reconstruct_checkpoint(tmp_path / f"out.{second}", tmp_path / f"back.{first}")
    with open_checkpoint(tmp_path / f"back.{first}") as back:
        assert set(back.tensors) == set(tensors())
        assert bytes(back.tensors["ids"].read()) == tensors()["ids"].tobytes()
        assert back.metadata == {f"back.{first}": {}}


def test_the_output_may_be_the_input(source):
    factorize_checkpoint(source, source, rank=5)
    assert "layer.0.w.factors.0" in load_file(source)
    reconstruct_checkpoint(source, source)
    assert load_file(source).keys() == tensors().keys()


def two_shards(folder):
    folder.mkdir()
    place = {}
    for i, name in enumerate(("layer.0.w", "layer.1.w")):
        save_file(
            {name: tensors()[name], f"b{i}": np.ones(3, np.float32)},
            folder / f"s{i}.safetensors",
            metadata={"format": "pt"},
        )
        place |= {name: f"s{i}.safetensors", f"b{i}": f"s{i}.safetensors"}
    index = {"metadata": {"total_size": 0}, "weight_map": place}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_shards_become_shards_each_complete_or_one_file(tmp_path):
    source = two_shards(tmp_path / "in")
    factorize_checkpoint(source, f"{tmp_path}/out/", rank=5)
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    sizes = {f"s{i}.safetensors": load_file(tmp_path / "out" / f"s{i}.safetensors") for i in range(2)}
    assert index["weight_map"] == {name: shard for shard, found in sizes.items() for name in found}
    assert index["metadata"]["total_size"] == sum(x.nbytes for found in sizes.values() for x in found.values())
    reconstruct_checkpoint(tmp_path / "out" / "s1.safetensors", tmp_path / "part.safetensors")  # one shard by itself
    assert set(load_file(tmp_path / "part.safetensors")) == {"layer.1.w", "b1"}
    reconstruct_checkpoint(tmp_path / "out", f"{tmp_path}/back/")
    assert sorted(x.name for x in (tmp_path / "back").iterdir()) == sorted(x.name for x in source.iterdir())
    factorize_checkpoint(source, tmp_path / "one.safetensors", rank=5)
    assert metadata(tmp_path / "one.safetensors")["format"] == "pt"
    reconstruct_checkpoint(tmp_path / "one.safetensors", tmp_path / "dense.safetensors")
    whole = load_file(tmp_path / "dense.safetensors")
    for i in range(2):
        for name, x in load_file(tmp_path / "back" / f"s{i}.safetensors").items():
            np.testing.assert_array_equal(whole[name], x)


def test_a_shard_of_the_input_is_no_output(tmp_path):
    source = two_shards(tmp_path / "in")
    old = (source / "s0.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="is a part of the checkpoint that is read"):
        factorize_checkpoint(source, source / "s0.safetensors", rank=5)
    factorize_checkpoint(source, f"{tmp_path}/out/", rank=5)
    kept = (tmp_path / "out" / "s0.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="is a part of the checkpoint that is read"):
        reconstruct_checkpoint(tmp_path / "out", tmp_path / "out" / "s0.safetensors")
    assert (source / "s0.safetensors").read_bytes() == old
    assert (tmp_path / "out" / "s0.safetensors").read_bytes() == kept


# Refused


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_matrix_that_is_not_finite_is_refused_by_name(tmp_path, bad):
    own = tensors()
    own["layer.1.w"][3, 4] = bad
    save_file(own, tmp_path / "in.safetensors")
    with pytest.raises(CheckpointError, match=rf"'layer.1.w' must be finite, but holds {bad} at \(3, 4\)"):
        factorize_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors", rank=5)
    factorize_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors", rank=5, exclude=["layer.1.*"])


def test_names_that_factors_would_take_are_refused(tmp_path):
    save_file(tensors() | {"layer.0.w.factors.0": np.ones(2)}, tmp_path / "in.safetensors")
    with pytest.raises(CheckpointError, match=r"would take the name 'layer.0.w.factors.0', which another tensor has"):
        factorize_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors", rank=5)


def test_factors_too_large_for_their_dtype_are_refused_by_name(tmp_path):
    save_file({"w": matrix(40, 24).astype(np.float32) * 1e12}, tmp_path / "in.safetensors")
    with pytest.raises(
        CheckpointError, match=r"factors of 'w' cannot be stored: .* is too large for float16; give --dtype"
    ):
        factorize_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors", rank=5, dtype="float16")


def test_a_factored_checkpoint_is_not_factored_again(source, tmp_path):
    factorize_checkpoint(source, tmp_path / "out.safetensors", rank=5)
    with pytest.raises(CheckpointError, match=r"out.safetensors is factored already; reconstruct it first"):
        factorize_checkpoint(tmp_path / "out.safetensors", tmp_path / "again.safetensors", rank=2)


def test_a_checkpoint_that_is_not_factored_is_not_restored(source, tmp_path):
    with pytest.raises(
        CheckpointError, match=r"in\.safetensors is no factored checkpoint: its metadata has no 'factorattn'"
    ):
        reconstruct_checkpoint(source, tmp_path / "out.safetensors")


def about(spec):
    return json.dumps({"version": 1, "tensors": {"w": {"dtype": "F32", "shape": [4, 5], "spec": spec}}})


def product(*arrays):
    return {"kind": "factor.Product", "fields": {"factors": [{"array": name} for name in arrays]}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "the metadata 'factorattn' of in.safetensors is damaged"),
        ("[]", "is damaged"),
        ('{"version": 1}', "is damaged"),
        ('{"version": 2, "tensors": {}}', "has version 2 of the format; this is version 1"),
        (about({"kind": "Nope", "fields": {"a": {"array": "a"}}}), "factors of 'w' are damaged: kind must be"),
        (about(product("z")), "lacks 'w.z', a factor of 'w'"),
        (about(product("b", "a")), r"make a matrix \(2, 2\), expected \(4, 5\)"),
        (about(product("a")), r"make a matrix \(4, 2\), expected \(4, 5\)"),
        (about(1), "the description of 'w' in in.safetensors names no array"),
        (about(product("a", "b")).replace("F32", "I32"), "is damaged"),
        (about(product("a", "b")), None),
    ],
)  # fmt: skip
def test_damaged_metadata_is_refused_by_name(tmp_path, text, told):
    stored = {"w.a": np.ones((4, 2), np.float32), "w.b": np.ones((2, 5), np.float32)}
    save_file(stored, tmp_path / "in.safetensors", metadata={KEY: text})
    if told is None:
        reconstruct_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors")
        np.testing.assert_array_equal(load_file(tmp_path / "out.safetensors")["w"], np.full((4, 5), 2.0))
        return
    with pytest.raises(CheckpointError, match=told):
        reconstruct_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "give exactly one of rank, energy, error, budget"),
        ({"rank": 2, "energy": 0.5}, "got rank and energy"),
        ({"rank": 0}, "rank must be positive, got 0"),
        ({"energy": 1.5}, "energy must be above 0 and at most 1, got 1.5"),
        ({"energy": 0}, "energy must be positive, got 0"),
        ({"budget": 2.0}, "budget must be above 0 and at most 1"),
        ({"error": 1.0}, "error must be at least 0 and below 1"),
        ({"budget": 0.5, "method": "cur"}, r"budget is for factors of r \(p \+ q\) numbers: svd, .*; got cur"),
        ({"rank": 2, "method": "qr"}, "method must be 'svd' or "),
        ({"rank": 2, "dtype": "int8"}, "dtype must be 'float16' or "),
        ({"rank": 2, "include": ()}, "include must hold at least one pattern"),
        ({"rank": 2, "seed": -1}, "rng must be a non-negative integer"),
    ],
)
def test_bad_options(source, tmp_path, options, told):
    with pytest.raises(ValueError, match=told):
        factorize_checkpoint(source, tmp_path / "out.safetensors", **options)


def test_a_budget_too_small_says_the_smallest(source, tmp_path):
    least = 40 + 24 + 24 + 60
    with pytest.raises(CheckpointError, match=f"budget must be at least {least} of {40 * 24 + 24 * 60} parameters"):
        factorize_checkpoint(source, tmp_path / "out.safetensors", budget=0.001)


# Norms


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 99), st.sampled_from([1e-30, 1.0, 1e30]))
def test_norms(p, q, seed, scale):
    a = (np.random.default_rng(seed).standard_normal((p, q)) * scale).astype(np.float32)
    wide = a.astype(np.float64)
    assert frobenius_norm(a) == pytest.approx(np.linalg.norm(wide), rel=ROUNDING(np.float64, a.size))
    assert spectral_norm(a) == pytest.approx(np.linalg.norm(wide, 2), rel=TOLERANCE + ROUNDING(np.float32, a.size))


def test_norms_of_hard_matrices():
    assert frobenius_norm(np.zeros((0, 4))) == spectral_norm(np.zeros((0, 4))) == spectral_norm(np.zeros((70, 80))) == 0
    huge = np.full((70, 80), 1e200)
    assert frobenius_norm(huge) == pytest.approx(1e200 * np.sqrt(5600), rel=ROUNDING(np.float64, huge.size))
    assert spectral_norm(huge) == pytest.approx(1e200 * np.sqrt(5600), rel=TOLERANCE)


# Memory

LONG, WIDE, COPIES = 2048, 1024, 24


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss differs")
def test_memory_follows_the_largest_tensor_and_not_the_file(tmp_path):
    rng = np.random.default_rng(0)
    peaks = []
    for copies in (1, COPIES):
        own = {f"w{i}": rng.standard_normal((LONG, WIDE), dtype=np.float32) for i in range(copies)}
        save_file(own, tmp_path / "in.safetensors")
        code = f"""if True:
            import resource
            from factorattn.compress.checkpoint.factorize import factorize_checkpoint
            from factorattn.compress.checkpoint.reconstruct import reconstruct_checkpoint
            import scipy.sparse.linalg
            start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            factorize_checkpoint({str(tmp_path / "in.safetensors")!r}, {str(tmp_path / "out.safetensors")!r},
                                 method="randomized", rank=8)
            reconstruct_checkpoint({str(tmp_path / "out.safetensors")!r}, {str(tmp_path / "back.safetensors")!r})
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)"""
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
        peaks.append(int(done.stdout) * 1024 / (4 * LONG * WIDE))
    one, many = peaks
    assert many < one + 1, peaks  # in sizes of one tensor; the file has COPIES of them
    assert many < 8, peaks


def test_a_norm_that_lanczos_does_not_find_is_found_by_lapack(monkeypatch):
    from scipy.sparse import linalg

    def gives_up(*_, **__):
        raise linalg.ArpackNoConvergence("no", [], [])

    monkeypatch.setattr(linalg, "eigsh", gives_up)
    a = matrix(80, 90)
    assert spectral_norm(3 * a) == pytest.approx(3.0, rel=ROUNDING(np.float64, a.size))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_method_svd_is_truncated_svd(dtype):
    a = matrix(40, 24).astype(dtype)
    got, want = METHODS["svd"].factor(a, 5, None), truncated_svd(a, 5).two_factors()
    assert got.dtype == dtype
    assert np.linalg.norm(got.to_dense() - want.to_dense()) <= ROUNDING(dtype, a.size) * np.linalg.norm(a)


def test_a_matrix_that_a_method_cannot_do_is_refused_by_name(tmp_path):
    save_file({"w": matrix(13, 11)}, tmp_path / "in.safetensors")
    with pytest.raises(CheckpointError, match=r"'w' cannot be factored by tensor-train: .*; exclude it"):
        factorize_checkpoint(tmp_path / "in.safetensors", tmp_path / "out.safetensors", rank=2, method="tensor-train")
