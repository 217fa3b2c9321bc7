"""Parameters in files: there and back, bit for bit; and files and models that do not match, by name."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from libraries import LIBRARIES

from factorattn.compress.checkpoint.description import assemble, factored_matrices
from factorattn.compress.checkpoint.reading import open_checkpoint
from factorattn.factor import monarch, truncated_svd
from factorattn.factor.factored import Diagonal, Permutation, Product
from factorattn.factor.factored.packing import pack
from factorattn.model.naming import named_leaves
from factorattn.model.optimizer import adam, adam_init
from factorattn.model.saving import load_metadata, load_parameters, save_parameters
from factorattn.testing import ROUNDING

DTYPES = ["bool", "int8", "int32", "int64", "uint8", "uint16", "float16", "float32", "float64", "complex64"]
TREE = {
    "layers": [{"attention": {"query": {"weight": np.arange(6.0).reshape(2, 3), "bias": np.ones(2, np.float32)}}}],
    "scale": np.asarray(2.5),
    "step": 7,
}

names = st.text(st.characters(categories=("L", "P", "S"), exclude_characters="."), min_size=1, max_size=5)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    arrays.arrays(st.sampled_from(DTYPES), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)),
)
trees = st.recursive(leaves, lambda part: st.lists(part, max_size=3) | st.dictionaries(names, part, max_size=3))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def same(got, want):
    """Whether trees are equal, bit for bit, in the order of names that they happen to have."""
    assert type(got) is type(want)
    if isinstance(want, dict):
        assert got.keys() == want.keys()
        for name in want:
            same(got[name], want[name])
    elif isinstance(want, list):
        assert len(got) == len(want)
        for one, two in zip(got, want, strict=True):
            same(one, two)
    elif isinstance(want, np.ndarray):
        assert (got.dtype, got.shape, got.tobytes()) == (want.dtype, want.shape, want.tobytes())
    else:
        assert got == want


@settings(deadline=None, max_examples=60)
@given(tree=trees)
def test_there_and_back(tree, tmp_path_factory):
    path = tmp_path_factory.mktemp("tree") / "model.safetensors"
    save_parameters(path, tree)
    same(load_parameters(path), tree)
    if not any(isinstance(leaf, np.ndarray) and leaf.dtype.kind in "bc" for _, leaf in named_leaves(tree)):
        same(load_parameters(path, like=tree), tree)


def test_names_are_those_of_the_places(path):
    safetensors = pytest.importorskip("safetensors.numpy")
    save_parameters(path, TREE)
    found = safetensors.load_file(path)
    assert sorted(found) == [
        "layers.0.attention.query.bias",
        "layers.0.attention.query.weight",
        "scale",
        "step",
    ]
    np.testing.assert_array_equal(found["layers.0.attention.query.weight"], np.arange(6.0).reshape(2, 3))


def test_files_of_other_programs_are_read(path):
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(
        {"a.0.w": np.ones(2), "a.1.w": np.zeros(3), "b.1": np.ones(1)}, path, metadata={"format": "pt"}
    )
    same(load_parameters(path), {"a": [{"w": np.ones(2)}, {"w": np.zeros(3)}], "b": {"1": np.ones(1)}})
    assert load_metadata(path) == {"format": "pt"}


def test_metadata_are_kept(path):
    save_parameters(path, TREE, metadata={"model": "añb", "z": "", "a": "1"})
    assert load_metadata(path) == {"model": "añb", "z": "", "a": "1"}
    save_parameters(path, TREE)
    assert load_metadata(path) == {}
    for bad in ({"factorattn": "x"}, {"factorattn.tree": "x"}, {"a": 1}, {1: "a"}):
        with pytest.raises(ValueError, match="metadata must be texts by names that do not begin with 'factorattn'"):
            save_parameters(path, TREE, metadata=bad)


def test_equal_parameters_give_equal_bytes(tmp_path):
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    about = {name: name for name in "abcdefgh"}
    save_parameters(one, TREE, metadata=about)
    backwards = {name: TREE[name] for name in reversed(TREE)}
    save_parameters(two, backwards, metadata={name: about[name] for name in reversed(about)})
    assert one.read_bytes() == two.read_bytes()


def test_numbers_are_aligned(path):
    save_parameters(path, {"a": np.ones(3, np.int8), "b": np.ones(3), "c": np.ones(1, np.float32)})
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert (8 + length) % 8 == 0
    for name, size in (("a", 1), ("b", 8), ("c", 4)):
        assert header[name]["data_offsets"][0] % size == 0


@pytest.mark.parametrize(
    "x",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(24)[::-2],
        np.arange(6, dtype=">i4"),
        np.broadcast_to(np.float32(3), (2, 2)),
    ],
)
def test_arrays_that_lie_otherwise(path, x):
    save_parameters(path, {"x": x})
    np.testing.assert_array_equal(load_parameters(path)["x"], x)


def factored():
    rng = np.random.default_rng(0)
    inner = Product((Diagonal(rng.standard_normal(4)), Permutation(np.asarray([2, 0, 1, 3]))))
    return {
        "svd": truncated_svd(rng.standard_normal((5, 4)), 2),
        "layers": [{"monarch": monarch(rng.standard_normal((4, 4)), 2)}, {"inner": inner}],
        "dense": np.ones(2),
    }


def test_factored_matrices_there_and_back(path):
    tree = factored()
    save_parameters(path, tree)
    for like in (None, tree):
        found = load_parameters(path, like=like)
        for (name, got), (_, want) in zip(
            sorted(named_leaves(found, inside=False)), sorted(named_leaves(tree, inside=False)), strict=True
        ):
            assert type(got) is type(want), name
            if name != "dense":
                np.testing.assert_array_equal(got.to_dense(), want.to_dense())
        assert found["svd"].error_bound == tree["svd"].error_bound


def test_a_factored_matrix_alone(path):
    f = factored()["svd"]
    save_parameters(path, f)
    np.testing.assert_array_equal(load_parameters(path).to_dense(), f.to_dense())
    np.testing.assert_array_equal(load_parameters(path, like=f).to_dense(), f.to_dense())
    np.testing.assert_array_equal(load_parameters(path, like=(5, 4)).to_dense(), f.to_dense())


def test_the_format_is_that_of_compressed_checkpoints(path):
    tree = factored()
    save_parameters(path, tree)
    with open_checkpoint(path) as checkpoint:
        found = factored_matrices(checkpoint)
        assert sorted(found) == ["layers.0.monarch", "layers.1.inner", "svd"]
        inside = {
            name.removeprefix("svd."): entry for name, entry in checkpoint.tensors.items() if name.startswith("svd.")
        }
        np.testing.assert_array_equal(assemble(found["svd"], inside).to_dense(), tree["svd"].to_dense())


def test_library_dtype_and_kind_are_those_of_like(xp, path):
    save_parameters(path, TREE)
    like = {
        "layers": [
            {
                "attention": {
                    "query": {"weight": xp.zeros((2, 3), dtype=xp.float32), "bias": xp.zeros(2, dtype=xp.float64)}
                }
            }
        ],
        "scale": xp.asarray(0.0, dtype=xp.float64),
        "step": 0,
    }
    found = load_parameters(path, like=like)
    query = found["layers"][0]["attention"]["query"]
    assert type(query["weight"]) is type(like["scale"])
    assert (query["weight"].dtype, query["bias"].dtype) == (xp.float32, xp.float64)
    np.testing.assert_array_equal(np.asarray(query["weight"]), np.arange(6.0).reshape(2, 3))
    assert found["step"] == 7
    assert type(found["step"]) is int
    save_parameters(path, found)  # from that library, too
    np.testing.assert_array_equal(load_parameters(path)["layers"][0]["attention"]["query"]["bias"], np.ones(2))


def test_factored_matrices_in_the_library_of_like(xp, path):
    f = factored()["layers"][1]["inner"]
    save_parameters(path, f)
    diagonal, permutation = f.factors
    moved = Product((diagonal.map(xp.asarray), Permutation(xp.asarray(permutation.order))))
    found = load_parameters(path, like=moved)
    assert {type(x) for x in found.arrays()} == {type(next(moved.arrays()))}
    save_parameters(path, found)
    np.testing.assert_array_equal(load_parameters(path).to_dense(), f.to_dense())


def test_a_state_of_an_optimizer_goes_on_bit_for_bit(path):
    parameters = {"layers": [{"w": np.ones((2, 2)), "b": None}], "of": []}
    gradients = {"layers": [{"w": np.full((2, 2), 0.3), "b": None}], "of": []}
    parameters, state = adam(parameters, gradients, adam_init(parameters), rate=0.1)
    save_parameters(path, {"parameters": parameters, "state": state})
    found = load_parameters(path)
    want, _ = adam(parameters, gradients, state, rate=0.1)
    got, after = adam(found["parameters"], gradients, found["state"], rate=0.1)
    same(got, want)
    assert after["step"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"more": np.zeros((3, 1))},
            r"model\.safetensors must hold more, a real floating array of shape \(3, 1\); it is",
        ),
        ({"more": (3, 1)}, r"model\.safetensors must hold more, of shape \(3, 1\); it is not there"),
        (
            {"layers": []},
            r"holds layers\.0\.attention\.query\.bias, layers\.0\.attention\.query\.weight, a real floating",
        ),
        (
            {"scale": np.zeros(3)},
            r"scale of .* must be a real floating array of shape \(3,\), got a real .* shape \(\)",
        ),
        (
            {"scale": (4,)},
            r"scale of model\.safetensors must be of shape \(4,\), got a real floating array of shape \(\)",
        ),
        ({"scale": np.asarray(0)}, r"scale of .* must be an integer array of shape \(\), got a real floating array"),
        ({"scale": 1.0}, r"scale of .* must be a number, got a real floating array of shape \(\)"),
        ({"step": np.zeros(1)}, r"step of .* must be a real floating array of shape \(1,\), got a number"),
        ({"scale": None}, r"holds scale, a real floating array of shape \(\), which is not expected"),
    ],
)
def test_what_does_not_match_is_named(path, change, message):
    save_parameters(path, TREE)
    with pytest.raises(ValueError, match=message):
        load_parameters(path, like=TREE | change)


def test_a_missing_tensor_comes_with_what_there_is(path):
    save_parameters(path, {"weight": np.zeros(2)})
    with pytest.raises(ValueError, match=r"must hold w, of shape \(2,\); it is not there \(it holds weight\)"):
        load_parameters(path, like={"w": (2,)})


def test_factored_and_dense_are_not_the_same_kind(path):
    tree = factored()
    save_parameters(path, tree)
    with pytest.raises(ValueError, match=r"svd of .* must be a real floating array of shape \(5, 4\), got a factored"):
        load_parameters(path, like=tree | {"svd": np.zeros((5, 4))})
    with pytest.raises(
        ValueError, match=r"svd of .* must be of shape \(5, 5\), got a factored matrix of shape \(5, 4\)"
    ):
        load_parameters(path, like=tree | {"svd": (5, 5)})
    save_parameters(path, tree | {"svd": np.zeros((5, 4))})
    with pytest.raises(ValueError, match=r"svd of .* must be a factored matrix of shape \(5, 4\), got a real floating"):
        load_parameters(path, like=tree)


@pytest.mark.parametrize("cut", [0, 4, 8, 60, -1])
def test_a_truncated_file_is_refused(path, cut):
    save_parameters(path, TREE)
    path.write_bytes(path.read_bytes()[:cut])
    for read in (load_parameters, load_metadata):
        with pytest.raises(ValueError, match=r"model\.safetensors is damaged or no safetensors file"):
            read(path)


def test_damaged_headers_are_refused(path):
    save_parameters(path, factored() | {"step": 3}, metadata={"a": "b"})
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    for at in range(8, 8 + length, 7):
        path.write_bytes(whole[:at] + b"\x00" + whole[at + 1 :])
        with pytest.raises(ValueError, match="damaged"):
            load_parameters(path)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("factorattn", "{"),
        ("factorattn", "[]"),
        ("factorattn", '{"version": 2, "tensors": {}}'),
        ("factorattn", '{"version": 1, "tensors": {"w": {}}}'),
        ("factorattn", '{"version": 1, "tensors": {"w": {"spec": {"kind": "x", "fields": {}}, "shape": [1]}}}'),
        ("factorattn.tree", "3"),
        ("factorattn.tree", '{"a": "cat"}'),
        ("factorattn.tree", '{"w": "number"}'),
    ],
)
def test_damaged_metadata_are_refused(path, key, text):
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file({"w": np.ones(2)}, path, metadata={key: text})
    with pytest.raises(ValueError, match=r"the metadata of model\.safetensors is damaged"):
        load_parameters(path)


def test_a_factored_matrix_of_another_shape_than_told_is_refused(path):
    safetensors = pytest.importorskip("safetensors.numpy")
    spec, parts = pack(factored()["svd"])
    told = {"version": 1, "tensors": {"w": {"dtype": "F64", "shape": [5, 5], "spec": spec}}}
    tensors = {f"w.{name}": x for name, x in parts.items()}
    safetensors.save_file(tensors, path, metadata={"factorattn": json.dumps(told)})
    with pytest.raises(ValueError, match=r"damaged: w is told to have shape \(5, 5\) and has \(5, 4\)"):
        load_parameters(path)


def test_names_that_stand_in_each_others_way(path):
    safetensors = pytest.importorskip("safetensors.numpy")
    for tensors in ({"a": np.ones(1), "a.b": np.ones(1)}, {"a.b": np.ones(1), "a.b.c": np.ones(1, np.float32)}):
        safetensors.save_file(tensors, path)
        with pytest.raises(ValueError, match=r"model\.safetensors holds 'a"):
            load_parameters(path)


@pytest.mark.parametrize(
    ("tree", "error", "message"),
    [
        ({"a.b": np.ones(1)}, ValueError, r"names in parameters must not be .*dots, got 'a\.b'"),
        ({"layers": [{"": np.ones(1)}]}, ValueError, r"names in layers\.0 must not be empty.*, got ''"),
        ({"layers": {"0": np.ones(1)}}, ValueError, "names in layers must not be .*numbers.*, got '0'"),
        ({"__metadata__": np.ones(1)}, ValueError, "got '__metadata__'"),
        ({3: np.ones(1)}, TypeError, "names in parameters must be texts, got 3"),
        ({"a": ["text"]}, TypeError, r"a\.0 must be an array, a number or None, got str"),
        ({"a": np.ones(1, "complex128")}, TypeError, "a must have one of the dtypes bool, .*, got complex128"),
        ({"a": np.ones(1, object)}, TypeError, "a must have one of the dtypes"),
    ],
)
def test_what_cannot_be_kept_is_named(path, tree, error, message):
    save_parameters(path, TREE)
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        save_parameters(path, tree)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_failure_leaves_the_old_file(path, monkeypatch):
    save_parameters(path, TREE)
    before = path.read_bytes()

    def broken(*_):
        raise OSError("no room")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, broken)
            with pytest.raises(OSError, match="no room"):
                save_parameters(path, {"other": np.ones(3)})
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name]


def test_who_may_read_it_does_not_change(path):
    save_parameters(path, TREE)
    path.chmod(0o640)
    save_parameters(path, {"other": np.ones(3)})
    assert path.stat().st_mode & 0o777 == 0o640


def test_paths(tmp_path):
    for f in (load_parameters, load_metadata, lambda path: save_parameters(path, {})):
        with pytest.raises(ValueError, match=r"path must end in \.safetensors, got 'model\.bin'"):
            f("model.bin")
    for f in (load_parameters, load_metadata):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            f(tmp_path / "none.safetensors")
        (tmp_path / "folder.safetensors").mkdir(exist_ok=True)
        with pytest.raises(FileNotFoundError, match="is not a file"):
            f(tmp_path / "folder.safetensors")
    with pytest.raises(FileNotFoundError):
        save_parameters(tmp_path / "no" / "model.safetensors", TREE)
    save_parameters(str(tmp_path / "text.safetensors"), TREE)
    assert Path(tmp_path / "text.safetensors").exists()


def test_a_tree_of_another_kind_is_named(path):
    save_parameters(path, TREE)
    with pytest.raises(TypeError, match="like must hold arrays, shapes, numbers or None, got str at layers"):
        load_parameters(path, like=TREE | {"layers": "x"})


def test_half_precision_rounds_once(path):
    x = np.linspace(0, 1, 7)
    save_parameters(path, {"x": x})
    found = load_parameters(path, like={"x": np.zeros(7, np.float16)})["x"]
    assert found.dtype == np.float16
    assert np.max(np.abs(found - x)) <= ROUNDING("float16", 1)


@pytest.mark.peers
def test_torch_reads_the_same(path):
    torch = pytest.importorskip("torch", reason="extra: peers")
    theirs = pytest.importorskip("safetensors.torch", reason="extra: peers")
    save_parameters(path, {"w": torch.ones(2, 3, requires_grad=True), "b": torch.arange(3)})
    found = theirs.load_file(path)
    assert torch.equal(found["w"], torch.ones(2, 3))
    assert torch.equal(found["b"], torch.arange(3))
