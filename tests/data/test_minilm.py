"""The queries, keys and values of MiniLM that come with the package."""

import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest

from factorattn.data import load_minilm
from factorattn.data.minilm import HEADS, N_TOKENS


def attention(qkv, head):
    scores = qkv.q[head] @ qkv.k[head].T / np.sqrt(qkv.q.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def test_everything_loads_as_two_heads_of_8192_finite_vectors_of_width_32():
    for x in load_minilm():
        assert x.shape == (len(HEADS), N_TOKENS, 32) == (2, 8192, 32)
        assert x.dtype == np.float32
        assert np.all(np.isfinite(x))


@pytest.mark.parametrize("n", [1, 510, np.int64(8191)])
def test_fewer_tokens_are_the_first_ones(n):
    for part, whole in zip(load_minilm(n=n), load_minilm(), strict=True):
        np.testing.assert_array_equal(part, whole[:, :n], strict=True)


@pytest.mark.parametrize("dtype", ["float16", "float32", np.float64])
def test_every_floating_dtype_holds_the_stored_values_exactly(dtype):
    for x, stored in zip(load_minilm(n=100, dtype=dtype), load_minilm(n=100, dtype="float16"), strict=True):
        assert x.dtype == dtype
        np.testing.assert_array_equal(x, stored)


def test_changing_what_was_loaded_does_not_change_what_is_loaded_next():
    first = load_minilm(n=8)
    expected = first.q.copy()
    first.q[:] = 0
    np.testing.assert_array_equal(load_minilm(n=8).q, expected)


@pytest.mark.parametrize("n", [0, -1, 8193, 1.0, "8", None])
def test_a_length_that_is_not_in_range_is_refused(n):
    with pytest.raises(ValueError, match=r"n: expected an integer in 1\.\.8192, got "):
        load_minilm(n=n)


@pytest.mark.parametrize("dtype", ["int32", "complex64", "bool"])
def test_a_dtype_that_is_not_real_floating_is_refused(dtype):
    with pytest.raises(ValueError, match=f"dtype: expected a real floating dtype, got '{dtype}'"):
        load_minilm(dtype=dtype)


def test_the_first_head_is_peaked_and_of_high_rank_and_the_second_diffuse_and_of_low_rank():
    # The figures of the docstring, to the digits given there.
    qkv = load_minilm(n=2040, dtype="float64")
    found = []
    for head in (0, 1):
        weights = attention(qkv, head)
        entropy = -np.sum(weights * np.log(weights), axis=-1).mean()
        energy = np.cumsum(np.linalg.svd(weights, compute_uv=False) ** 2)
        found.append((round(np.exp(entropy)), int(1 + np.searchsorted(energy, 0.99 * energy[-1]))))
    assert found == [(147, 815), (1174, 24)]


def test_all_embedded_files_together_stay_below_4_megabytes():
    sizes = [len(path.read_bytes()) for path in files("factorattn.data").iterdir() if path.is_file()]
    assert sum(sizes) < 4_000_000


def test_importing_the_loaders_does_not_import_the_file_format():
    code = "import sys, factorattn.data; sys.exit('safetensors' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
