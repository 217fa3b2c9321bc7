"""Every way to tell positions against central differences, by all of its arrays, with each of its options."""

import numpy as np
import pytest
from libraries import LIBRARIES
from oracles import agree

from factorattn.contract import sample
from factorattn.interpret.gradient import vjp
from factorattn.position import POSITIONS
from factorattn.testing import FEW
from factorattn.testing.differences import check_gradients

SIZES = {**FEW, "r": 7, "l": 9, "x": 3, "y": 4, "h": 2}
WITHOUT_VALUES = ("alibi", "alibi_slopes", "sinusoidal", "t5_buckets")  # their array tells dtype and device only
OPTIONS = [(name, {}) for name in POSITIONS if name not in WITHOUT_VALUES]
OPTIONS += [
    ("axial", {"combine": "sum"}),
    ("convolutional", {"causal": True}),
    ("kerple", {"kernel": "power"}),
    ("music_relative", {"form": "explicit"}),
    ("rotary", {"layout": "halves"}),
    ("rotary", {"size": 2}),
    ("shaw_relative", {"form": "explicit"}),
    ("shaw_values", {"form": "explicit"}),
    ("t5_relative", {"bidirectional": False}),
    ("transformer_xl_relative", {"form": "explicit", "bidirectional": True}),
]
IDS = [" ".join([name, *map(str, options.values())]) for name, options in OPTIONS]


def called(name, options, batch=()):
    """The function of its arrays alone, and these."""
    sizes = {**SIZES, "g": SIZES["f"]} if options.get("combine") == "sum" else SIZES
    sizes = {**sizes, "r": 8} if name == "t5_relative" else sizes  # an even number of buckets
    drawn = sample(POSITIONS[name].record.inputs, np.random.default_rng(0), sizes, batch=batch)
    if name == "kerple":
        drawn |= {key: np.abs(drawn[key]) for key in ("r_1", "r_2")}
    arrays = {key: value for key, value in drawn.items() if isinstance(value, np.ndarray)}
    rest = {key: value for key, value in drawn.items() if key not in arrays}
    return (lambda arrays: POSITIONS[name](**arrays, **rest, **options)), arrays


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=IDS)
@pytest.mark.parametrize("batch", [(), (2,)], ids=["single", "batch"])
def test_it_is_differentiated_by_every_array(name, options, batch):
    check_gradients(*called(name, options, batch))


@pytest.mark.parametrize("name", WITHOUT_VALUES)
def test_what_depends_on_places_alone_has_no_gradient(name):
    f, arrays = called(name, {})
    out, pullback = vjp(f, arrays)
    (pulled,) = pullback(np.ones_like(out))
    assert np.all(pulled["like"] == 0)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=IDS)
def test_gradients_are_those_of_numpy_on_every_library(name, options, library):
    xp = pytest.importorskip(library)
    f, arrays = called(name, options)
    g = np.random.default_rng(1).standard_normal(f(arrays).shape)
    (want,) = vjp(f, arrays)[1](g)
    (got,) = vjp(f, {key: xp.asarray(x) for key, x in arrays.items()})[1](xp.asarray(g))
    for key, x in want.items():
        agree(np.asarray(got[key]), x, SIZES["n"] * SIZES["m"])
