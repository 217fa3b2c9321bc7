"""`cupy`: the real one where there is a GPU, elsewhere a stand-in that runs the same kernels on the CPU."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the helpers beside the tests


def _on_a_gpu():
    if "STAND_IN_CXXFLAGS" in os.environ:  # a sanitizer asks for the stand-in
        return None
    if importlib.util.find_spec("cupy") is None:
        return None
    import cupy

    return cupy if cupy.cuda.is_available() else None


@pytest.fixture(scope="session")
def gpu():
    """The real CuPy, or None."""
    return _on_a_gpu()


@pytest.fixture
def cupy(gpu):
    """CuPy, or what stands in for it during the test."""
    if gpu is not None:
        yield gpu
        return
    if shutil.which("g++") is None:
        pytest.skip("no GPU, and no g++ to run kernels on the CPU")
    import stand_in_cupy

    with stand_in_cupy.installed() as module:
        yield module


@pytest.fixture
def stand_in(cupy, gpu):
    """The stand-in, for what only it can tell."""
    if gpu is not None:
        pytest.skip("a GPU keeps no record of launches and does not check them")
    return cupy


@pytest.fixture
def launches(stand_in):
    """The record of launches."""
    return stand_in.LAUNCHES


@pytest.fixture(params=["forward", "reverse", 7], ids=lambda order: f"order-{order}")
def thread_order(cupy, gpu, request):
    """The test runs once for every order in which the stand-in can run threads."""
    if gpu is not None:
        if request.param != "forward":
            pytest.skip("a GPU chooses the order of its threads")
        yield
        return
    with cupy.thread_order(request.param):
        yield
