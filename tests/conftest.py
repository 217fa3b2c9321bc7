"""The namespaces that mechanisms run on. A fixture that cannot run here skips and says why."""

import importlib

import numpy as np
import pytest


def _read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


class Namespace:
    """An array namespace, how to make its arrays from NumPy's, and what to switch off in it."""

    def __init__(self, name):
        self.name, self.prepare = name, None
        self.xp = np if name == "numpy" else importlib.import_module(name)
        if name == "numpy":
            self.prepare = _read_only


NAMESPACES = [
    "numpy",
    "array_api_strict",
    pytest.param("torch", marks=pytest.mark.peers),
    "cupy",
]


@pytest.fixture(params=NAMESPACES)
def namespace(request):
    """Every array library here: NumPy arrays cannot be written to, array_api_strict has everything optional off."""
    name = request.param
    if name == "torch":
        torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
        torch.set_num_threads(1)  # test workers share the processors
    if name == "cupy":
        cupy = pytest.importorskip("cupy", reason="CuPy is not installed (extras: cuda12, cuda13)")
        if not cupy.cuda.is_available():
            pytest.skip("no GPU")
    if name != "array_api_strict":
        yield Namespace(name)
        return
    import array_api_strict

    # The linalg extension stays on for the one family that is defined by a matrix factorization.
    extensions = ("linalg",) if "lowrank_attention" in request.node.name else ()
    with array_api_strict.ArrayAPIStrictFlags(
        boolean_indexing=False, data_dependent_shapes=False, enabled_extensions=extensions
    ):
        yield Namespace(name)


@pytest.fixture
def rng():
    """A generator with a fixed seed."""
    return np.random.default_rng(0)
