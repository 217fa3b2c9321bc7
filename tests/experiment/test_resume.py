"""States in files: whole or refused, the previous one kept."""

import os
from collections import namedtuple
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factorattn.experiment import ResumeError, Shuffled, begin, has_state, read_state, train, write_state

Pair = namedtuple("Pair", "a b")
SETTINGS = {"lengths": (8, 16), "rate": 0.1, "name": "full"}


@dataclass(frozen=True)
class Moments:
    first: object
    second: object


def advance(parameters, optimizer, x):
    loss = float(np.sum(x))
    w = parameters["layers"][0]["w"] + np.float32(0.3) * x
    layers = [{"w": w, "b": None}, *parameters["layers"][1:]]
    moments = replace(optimizer["moments"], first=optimizer["moments"].first / np.float32(3) + x)
    return loss, parameters | {"layers": layers}, optimizer | {"moments": moments, "step": optimizer["step"] + 1}


def fresh(size=2):
    rng = np.random.default_rng(0)
    data = Shuffled((rng.standard_normal(5).astype(np.float32),), size)
    w = rng.standard_normal(size).astype(np.float32)
    parameters = {
        "layers": [{"w": w, "b": None}, (np.asarray(2.5), np.zeros((0, 3)))],
        "pair": Pair(np.arange(3), np.asarray([True, False])),
        "half": np.ones((2, 2), np.float16).T[:, ::-1],
    }
    optimizer = {"moments": Moments(np.zeros_like(w), w), "step": 0, "rate": 0.1}
    return data, begin(parameters, optimizer, data, rng=7)


@pytest.fixture
def path(tmp_path):
    """Where two states were kept, of 2 and of 3 steps."""
    data, state = fresh()
    for steps in (2, 3):
        write_state(
            tmp_path / "run", train(advance, data, state, steps=steps), settings=SETTINGS, notes={"told": steps}
        )
    return tmp_path / "run"


def leaves(tree):
    if isinstance(tree, Moments):
        tree = vars(tree)
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, list | tuple) else [tree]


def same(a, b):
    assert (a.step, a.losses, a.rng) == (b.step, b.losses, b.rng)
    for one, other in ((a.parameters, b.parameters), (a.optimizer, b.optimizer), (a.place, b.place)):
        assert str(type(one)) == str(type(other))
        for x, y in zip(leaves(one), leaves(other), strict=True):
            assert type(x) is type(y)
            np.testing.assert_array_equal(x, y)
            if isinstance(x, np.ndarray):
                assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())


def current(path):
    return path.with_name("run.safetensors")


def previous(path):
    return path.with_name("run.previous.safetensors")


def refusal(path, settings=SETTINGS, like=None):
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(ResumeError) as caught:
        read_state(path, fresh()[1] if like is None else like, settings=settings)
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before
    return str(caught.value)


def test_a_state_comes_back_bit_for_bit(path):
    data, state = fresh()
    found, notes = read_state(path, state, settings=SETTINGS)
    same(found, train(advance, data, state, steps=3))
    assert notes == {"told": 3}
    same(train(advance, data, found, steps=11), train(advance, data, state, steps=11))


def test_the_one_before_is_kept(path):
    data, state = fresh()
    assert sorted(os.listdir(path.parent)) == ["run.previous.safetensors", "run.safetensors"]
    current(path).unlink()
    assert has_state(path)
    same(read_state(path, state, settings=SETTINGS)[0], train(advance, data, state, steps=2))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_a_file_cut_or_changed_anywhere_is_refused_and_the_one_before_is_whole(path, data):
    whole = current(path).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 8))
    changed = whole[:at] if bit == 8 else whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]
    current(path).write_bytes(changed)
    told = refusal(path)
    assert f"{str(current(path))!r} is damaged" in told
    assert told.endswith(
        "run.previous.safetensors is whole, with 2 steps done: delete run.safetensors to go on from there"
    )
    current(path).unlink()  # as it says
    assert read_state(path, fresh()[1], settings=SETTINGS)[0].step == 2
    current(path).write_bytes(whole)


def test_a_change_of_any_array_or_of_what_is_said_of_them_is_seen(path):
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    with safe_open(current(path), "numpy") as file:
        metadata = file.metadata()
    arrays = load_file(current(path))
    assert {"losses", "place.order", "optimizer.moments.first", "parameters.half"} <= set(arrays)
    for name, x in arrays.items():
        if x.size:
            other = ~x if x.dtype == bool else x + np.ones((), x.dtype)
            save_file(arrays | {name: np.asarray(other)}, current(path), metadata)
            assert "its checksum is not that of its content" in refusal(path)
        save_file(arrays | {name: x.reshape(1, *x.shape)}, current(path), metadata)
        assert "its checksum is not that of its content" in refusal(path)
    save_file(arrays, current(path), metadata | {"state": metadata["state"].replace('"step": 3', '"step": 4')})
    assert "its checksum is not that of its content" in refusal(path)
    save_file(arrays, current(path), metadata)
    assert read_state(path, fresh()[1], settings=SETTINGS)[0].step == 3


def test_what_is_left_when_both_are_damaged(path):
    previous(path).write_bytes(b"x")
    current(path).write_bytes(b"x")
    assert refusal(path).endswith("run.previous.safetensors is damaged, too: delete both to begin anew")
    previous(path).unlink()
    assert refusal(path).endswith("there is no state before it: delete run.safetensors to begin anew")
    current(path).unlink()
    assert not has_state(path)
    assert "does not exist" in refusal(path)


def test_another_file_of_tensors_is_no_state(path):
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(3)}, current(path))
    assert "is damaged or no state of training" in refusal(path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"rate": 0.2}, "was made with rate 0.1, and this run has rate 0.2"),
        ({"lengths": (8,)}, "was made with lengths [8, 16], and this run has lengths [8]"),
        ({"more": 1}, "was made with more not there, and this run has more 1"),
    ],
)
def test_other_settings_are_refused_by_name(path, changed, told):
    assert refusal(path, SETTINGS | changed).endswith(told)


def test_a_state_of_another_model_is_refused_by_name(path):
    _, state = fresh(size=4)
    told = refusal(path, like=state)
    assert "parameters.layers.0.w must be float32 of shape (4,), got float32 of shape (2,)" in told
    _, state = fresh()
    told = refusal(path, like=replace(state, parameters=state.parameters | {"more": np.zeros(1)}))
    assert "parameters.more: it is not there" in told
    told = refusal(path, like=replace(state, optimizer={}))
    assert "optimizer.moments.first: the run has none" in told


@pytest.mark.parametrize("fails", ["fsync", "replace"])
@pytest.mark.parametrize("call", [1, 2])
def test_writing_that_fails_at_any_moment_leaves_a_state(path, monkeypatch, fails, call):
    data, state = fresh()
    real, calls = getattr(os, fails), []

    def failing(*args):
        calls.append(None)
        if len(calls) == call:
            raise OSError("no room")
        return real(*args)

    monkeypatch.setattr(os, fails, failing)
    done = train(advance, data, state, steps=4)
    if fails == "fsync" and call == 2:
        write_state(path, done, settings=SETTINGS)  # there is one call only
    with pytest.raises(OSError, match="no room"):
        write_state(path, done, settings=SETTINGS)
    monkeypatch.undo()
    assert not [name for name in os.listdir(path.parent) if name.endswith(".tmp")]
    found, _ = read_state(path, state, settings=SETTINGS)
    same(found, train(advance, data, state, steps=4 if fails == "fsync" and call == 2 else 3))


def test_what_is_no_array_and_no_number_is_not_kept(tmp_path):
    _, state = fresh()
    with pytest.raises(TypeError, match=r"parameters\.odd must be a NumPy array or a number to be kept, got object"):
        write_state(tmp_path / "run", replace(state, parameters={"odd": object()}), settings={})
    assert not list(tmp_path.iterdir())
