"""What comes into a model: one library, one precision to compute in, and numbers of rows that tables have."""

import array_api_compat.numpy as xp
import numpy as np
import pytest

import factorattn as fa
from factorattn.factor import truncated_svd
from factorattn.interpret.gradient import grad
from factorattn.interpret.tree import tree_map
from factorattn.model.door import check_ids, leaves, open_door
from factorattn.model.seq2seq import cho, cho_parameters
from factorattn.model.transformer import encoder, encoder_parameters, transformer, transformer_parameters


def test_precisions():
    for given, want, compute in (("float16", "float16", "float32"), ("float64", "float64", "float64")):
        door = open_door(
            {"w": np.ones(2, given), "index": np.ones(2, int), "inner": [np.ones(1, given)]}, np.ones(3, int)
        )
        assert (door.xp, door.dtype) == (xp, want)
        assert [x.dtype for x in leaves(door.parameters)] == [compute, np.int64, compute]
    assert open_door({"w": np.ones(2, "float32")}, np.ones(2, "float64")).dtype == np.float64


@pytest.mark.parametrize("at", ["source", "target", "encoder", "decoder", "output"])
def test_one_part_of_another_library_is_refused(at):
    strict = pytest.importorskip("array_api_strict")
    parameters, ids = transformer_parameters((5, 4), 1, 6, 2, 4, tied=False, rng=0), np.zeros((1, 2), int)
    parameters[at] = tree_map(strict.asarray, parameters[at])
    with pytest.raises(
        TypeError, match="must be arrays of one library, got array_api_strict and numpy: nothing is mov"
    ):
        transformer(parameters, ids, ids, heads=2)
    with pytest.raises(TypeError, match="must be arrays of one library, got array_api_strict and numpy"):
        transformer(tree_map(strict.asarray, parameters), ids, strict.asarray(ids), heads=2)


def test_ids_of_another_library_are_refused_in_sequence_to_sequence():
    strict, parameters = pytest.importorskip("array_api_strict"), cho_parameters(5, 4, embedded=3, hidden=4, rng=0)
    ids = np.zeros((1, 2), int)
    with pytest.raises(TypeError, match="must be arrays of one library, got array_api_strict and numpy"):
        cho(parameters, ids, strict.asarray(ids))


@pytest.mark.parametrize("frozen", ["attention", "feed_forward"])
def test_parameters_that_are_no_arguments_are_kept_as_they_are(frozen):
    (layer,) = encoder_parameters(1, 6, 2, 4, rng=0)["layers"]
    x = np.random.default_rng(0).standard_normal((3, 6))

    def loss(trained, x):
        o = encoder({"layers": [trained | {frozen: layer[frozen]}]}, x, heads=2)
        return o.__array_namespace__().sum(o**3)

    def whole(layer, x):
        return loss({name: part for name, part in layer.items() if name != frozen}, x)

    trained = {name: part for name, part in layer.items() if name != frozen}
    got, want = grad(loss)(trained, x), grad(whole)(layer, x)
    tree_map(np.testing.assert_array_equal, got, {name: want[name] for name in trained})
    with pytest.raises(TypeError, match="must be arrays of one library, got gradient and numpy"):
        grad(lambda trained: loss(trained, x))(trained)


def test_factored_matrices_are_leaves():
    w = np.random.default_rng(0).standard_normal((4, 3))
    f = truncated_svd(w, 2)
    assert [type(x) for x in leaves({"a": [f, {"b": w}]})] == [type(f), np.ndarray]
    assert open_door({"w": f}, np.zeros(2, int)).xp is xp


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([0.0], TypeError, "ids must have an integer dtype, got float64"),
        ([0, 3], ValueError, "ids must be from 0 to 2, got 3"),
        ([-1, 9], ValueError, "ids must be from 0 to 2, got -1"),
    ],
)
def test_rows_that_are_not_there_are_named(ids, error, message):
    with pytest.raises(error, match=message):
        check_ids(np.asarray(ids), 3, name="ids", xp=xp)


def test_no_numbers_need_no_rows():
    check_ids(np.zeros((2, 0), int), 0, name="ids", xp=xp)
    counts = fa.counting()
    check_ids(counts.empty((2,), dtype=counts.int64), 3, name="ids", xp=counts)  # no values
