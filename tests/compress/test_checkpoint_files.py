"""Checkpoint files: read, written, refused."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from factorattn.compress.checkpoint.npz import METADATA
from factorattn.compress.checkpoint.reading import open_checkpoint
from factorattn.compress.checkpoint.tensors import FLOATING, CheckpointError, decode, encode
from factorattn.compress.checkpoint.writing import TargetError, whole_checkpoint

EVERY = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64, "BOOL": np.bool_,
}  # fmt: skip


def arrays():
    rng = np.random.default_rng(0)
    return {tag: (rng.standard_normal((3, 5)) * 4).astype(dtype) for tag, dtype in EVERY.items()} | {
        "empty": np.zeros((0, 4), np.float32),
        "scalar": np.array(3.0, np.float32),
        "bias": rng.standard_normal(7).astype(np.float32),
    }


def raw_safetensors(path, tensors, metadata=None):
    """A safetensors file of (dtype, shape, bytes), written from the text of the format."""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))
    return path


def copied(source, target):
    with whole_checkpoint(str(target)) as destination, open_checkpoint(source) as found:
        destination.write(list(found.tensors.values()), found.metadata, found.index)
    return target


def test_safetensors_reads_a_copy_with_every_dtype(tmp_path):
    save_file(arrays(), tmp_path / "a.safetensors", metadata={"format": "pt", "é": "ü"})
    copy = copied(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    found = load_file(copy)
    assert set(found) == set(arrays())
    for name, x in arrays().items():
        assert found[name].dtype == x.dtype
        np.testing.assert_array_equal(found[name], x)
    with safe_open(copy, framework="numpy") as file:
        assert file.metadata() == {"format": "pt", "é": "ü"}


def test_bytes_of_dtypes_that_numpy_lacks_are_copied(tmp_path):
    stored = {"f8": ("F8_E4M3", (3,), b"\x01\x02\xff"), "bf": ("BF16", (1, 2), b"\x80\x3f\xff\x7f")}
    source = raw_safetensors(tmp_path / "a.safetensors", stored)
    with open_checkpoint(copied(source, tmp_path / "b.safetensors")) as copy:
        for name, (dtype, shape, data) in stored.items():
            entry = copy.tensors[name]
            assert (entry.dtype, entry.shape, bytes(entry.read())) == (dtype, shape, data)
    with pytest.raises(CheckpointError, match=r"has dtype (F8_E4M3|BF16), which NumPy lacks; write .safetensors"):
        copied(source, tmp_path / "c.npz")


def test_tensors_of_long_numbers_come_first_so_that_all_are_aligned(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(3, np.int8), b=np.zeros(2), c=np.zeros(1, np.float16))
    copy = copied(tmp_path / "a.npz", tmp_path / "b.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", copy[:8])
    header = json.loads(copy[8 : 8 + length])
    assert (8 + length) % 8 == 0
    assert [header[name]["data_offsets"][0] for name in "bca"] == [0, 16, 18]


def test_npz_there_and_back(tmp_path):
    own = arrays() | {
        "columns first": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "big": np.arange(3, dtype=">i4"),
    }
    own |= {"complex": np.array([1 + 2j]), "text": np.array(["ab", "c"])}
    np.savez_compressed(tmp_path / "a.npz", **own)
    with np.load(copied(tmp_path / "a.npz", tmp_path / "b.npz")) as found:
        assert set(found.files) == set(own)
        for name, x in own.items():
            np.testing.assert_array_equal(found[name], x)


def test_metadata_of_safetensors_goes_to_npz_and_back(tmp_path):
    save_file(arrays(), tmp_path / "a.safetensors", metadata={"format": "pt"})
    copied(tmp_path / "a.safetensors", tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as found:
        assert json.loads(str(found[METADATA])) == {"format": "pt"}
    copied(tmp_path / "b.npz", tmp_path / "c.safetensors")
    assert load_file(tmp_path / "c.safetensors").keys() == arrays().keys()
    with safe_open(tmp_path / "c.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_dtypes_that_safetensors_lacks_are_refused_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", z=np.array([1 + 2j]))
    with pytest.raises(CheckpointError, match=r"'z' has dtype complex128, which .safetensors lacks; write .npz"):
        copied(tmp_path / "a.npz", tmp_path / "b.safetensors")
    assert sorted(x.name for x in tmp_path.iterdir()) == ["a.npz"]


def test_one_array_is_read_at_a_time(tmp_path):
    np.savez(tmp_path / "a.npz", good=np.arange(4.0), bad=np.arange(1000.0))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    at = data.index(np.float64(999).tobytes())
    data[at] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with open_checkpoint(tmp_path / "a.npz") as found:
        assert bytes(found.tensors["good"].read()) == np.arange(4.0).tobytes()
        with pytest.raises(CheckpointError, match=r"'bad' in a.npz is damaged: Bad CRC-32"):
            found.tensors["bad"].read()


def test_an_array_with_bytes_left_over_is_refused_by_name(tmp_path):
    file = io.BytesIO()
    np.save(file, np.arange(4.0))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", file.getvalue() + b"more")
        archive.writestr("y.npy", file.getvalue()[:-3])
    with open_checkpoint(tmp_path / "a.npz") as found:
        with pytest.raises(CheckpointError, match=r"'x' in a.npz is too long"):
            found.tensors["x"].read()
        with pytest.raises(CheckpointError, match=r"'y' in a.npz ends 3 bytes early"):
            found.tensors["y"].read()


def sharded(folder, *, place=None):
    """Two shards and their index."""
    folder.mkdir(exist_ok=True)
    parts = {"m-1.safetensors": {"a": np.ones((2, 3), np.float32)}, "m-2.safetensors": {"b": np.zeros(2, np.int64)}}
    for name, tensors in parts.items():
        save_file(tensors, folder / name, metadata={"format": "pt"})
    told = {tensor: name for name, tensors in parts.items() for tensor in tensors}
    about = {"metadata": {"total_size": 40, "note": "x"}, "weight_map": told if place is None else place}
    (folder / "model.safetensors.index.json").write_text(json.dumps(about))
    return folder


def test_shards_are_read_by_folder_or_index_and_written_as_shards_or_as_one_file(tmp_path):
    source = sharded(tmp_path / "in")
    for path in (source, source / "model.safetensors.index.json"):
        with open_checkpoint(path) as found:
            assert {name: entry.shard for name, entry in found.tensors.items()} == {
                "a": "m-1.safetensors",
                "b": "m-2.safetensors",
            }
    out = copied(source, f"{tmp_path / 'out'}/")
    assert sorted(x.name for x in (tmp_path / "out").iterdir()) == sorted(x.name for x in source.iterdir())
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert index == {
        "metadata": {"total_size": 40, "note": "x"},
        "weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"},
    }
    assert list(load_file(tmp_path / "out" / "m-1.safetensors")) == ["a"]
    assert set(load_file(copied(source, tmp_path / "one.safetensors"))) == {"a", "b"}
    with pytest.raises(TargetError, match="is not empty"):
        copied(source, out)
    with pytest.raises(TargetError, match="is not empty"):
        copied(source, str(source))


def test_an_empty_folder_is_taken_over(tmp_path):
    (tmp_path / "out").mkdir()
    copied(sharded(tmp_path / "in"), str(tmp_path / "out"))
    assert len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ({"a": "../m-1.safetensors"}, "must name .safetensors files beside it, got '../m-1.safetensors'"),
        ({"a": "m-3.safetensors"}, "names 'm-3.safetensors', which is not there"),
        ({"a": "m-1.safetensors", "c": "m-1.safetensors"}, "names 'c' in m-1.safetensors, which lacks it"),
        ({"a": "m-2.safetensors"}, "names 'a' in m-2.safetensors, which lacks it"),
        ([1], "is damaged or no index of shards"),
        (None, None),
    ],
)
def test_an_index_that_does_not_fit_its_shards(tmp_path, place, told):
    source = sharded(tmp_path / "in", place=place)
    if told is None:  # a shard holds a tensor that the index does not name
        save_file({"a": np.ones(2), "extra": np.ones(2)}, source / "m-1.safetensors")
        told = "holds 'extra', which model.safetensors.index.json does not name there"
    with pytest.raises(CheckpointError, match=told.replace(".", r"\.")), open_checkpoint(source):
        pass


def test_a_folder_without_a_checkpoint_or_with_several(tmp_path):
    with pytest.raises(CheckpointError, match="it has neither"), open_checkpoint(tmp_path):
        pass
    for name in "ab":
        save_file({"x": np.ones(2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(CheckpointError, match=r"2 of them: a\.safetensors, b\.safetensors"), open_checkpoint(tmp_path):
        pass


@pytest.mark.parametrize("left", [0, 4, 20, 200, -1])
@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_a_file_cut_short_is_refused_by_name(tmp_path, kind, left):
    path = tmp_path / f"a.{kind}"
    save_file(arrays(), path) if kind == "safetensors" else np.savez(path, **arrays())
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(CheckpointError, match=f"a.{kind} is damaged or no .{kind} file"), open_checkpoint(path):
        pass


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b'{"a": 1}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}',
        b'{"a": {"dtype": "NONE", "shape": [1], "data_offsets": [0, 4]}}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_header_is_refused(tmp_path, header):
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    with (
        pytest.raises(CheckpointError, match=r"a\.safetensors is damaged or no \.safetensors file"),
        open_checkpoint(tmp_path / "a.safetensors"),
    ):
        pass


def test_objects_records_and_other_files_in_npz_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(CheckpointError, match="pickled objects, refused"), open_checkpoint(path):
        pass
    np.savez(path, x=np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]))
    with pytest.raises(CheckpointError, match="records are not supported"), open_checkpoint(path):
        pass
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("note.txt", "hello")
    with pytest.raises(CheckpointError, match=r"holds 'note\.txt', which is no array"), open_checkpoint(path):
        pass


@pytest.mark.parametrize("text", ["no json", "[1]", '{"a": 1}'])
def test_damaged_metadata_of_npz_is_refused(tmp_path, text):
    np.savez(tmp_path / "a.npz", **{METADATA: np.array(text)})
    with (
        pytest.raises(CheckpointError, match=r"__factorattn__ in a\.npz is damaged"),
        open_checkpoint(tmp_path / "a.npz"),
    ):
        pass


# bfloat16

HALVES = np.arange(2**16, dtype=np.uint32)  # every bfloat16, as the upper half of a float32
FINITE = HALVES[(HALVES & 0x7F80) != 0x7F80]


def test_every_bfloat16_is_kept():
    data = FINITE.astype("<u2").tobytes()
    assert bytes(encode(decode(data, "BF16", FINITE.shape), "BF16")) == data


@given(st.floats(width=64, min_value=-3.3e38, max_value=3.3e38), st.booleans())
def test_bfloat16_is_the_nearest_one_and_even_where_two_are_as_near(x, single):
    x = np.array([x], np.float32 if single else np.float64)
    (got,) = np.frombuffer(encode(x, "BF16"), "<u2").astype(np.uint32)
    every = (FINITE << 16).view(np.float32).astype(np.float64)
    value = float(x[0])
    distance = np.abs(every - value)
    near = FINITE[distance == distance.min()]
    assert got in near or (value == 0 and got in (0, 0x8000))
    if len({int(half) & 0x7FFF for half in near if half & 0x7FFF}) > 1:
        assert got % 2 == 0


@pytest.mark.parametrize(
    ("x", "half"),
    [
        (1 + 2.0**-8, 0x3F80),  # a tie, to even
        (1 + 3 * 2.0**-8, 0x3F82),
        (1 + 2.0**-8 + 2.0**-40, 0x3F81),  # above the tie by less than float32 sees: rounded once, not twice
        (1 + 3 * 2.0**-8 - 2.0**-40, 0x3F81),
        (-(1 + 2.0**-8 + 2.0**-40), 0xBF81),
        (1 + 2.0**-8 + 2.0**-23 - 2.0**-40, 0x3F81),  # near the float32 that follows the tie
    ],
)
def test_float64_is_rounded_to_bfloat16_once(x, half):
    assert np.frombuffer(encode(np.array([x]), "BF16"), "<u2")[0] == half


@pytest.mark.parametrize(("tag", "x"), [("F16", 65520.0), ("BF16", 3.4e38), ("F32", 1e39)])
def test_numbers_too_large_for_a_dtype_are_refused(tag, x):
    with pytest.raises(CheckpointError, match=f"is too large for {FLOATING[tag]}"):
        encode(np.array([1.0, -x]), tag)
