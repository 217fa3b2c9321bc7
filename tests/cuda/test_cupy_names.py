"""What the package or its stand-in uses of CuPy exists in the real one, which can be imported without a GPU."""

import ast
import functools
import importlib.util
import warnings
from pathlib import Path

import pytest

import factorattn

PACKAGE = Path(factorattn.__file__).parent
OUR_OWN = {"LAUNCHES", "installed", "thread_order"}  # of the stand-in


@pytest.fixture(scope="module")
def real_cupy():
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("CuPy is not installed (extras `cuda12`, `cuda13`)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cupy

    return cupy


def dotted(node: ast.AST) -> list[str] | None:
    """The names of `cupy.x.y`, or None if the expression is not of that kind."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return names if names and isinstance(node, ast.Name) and node.id == "cupy" else None


def used_names() -> set[tuple[str, ...]]:
    trees = (ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py"))
    chains = (dotted(node) for tree in trees for node in ast.walk(tree))
    return {tuple(chain) for chain in chains if chain}


def test_the_package_uses_some_names_of_cupy():
    assert ("RawModule",) in used_names()


@pytest.mark.parametrize("names", sorted(used_names()), ids=".".join)
def test_a_name_that_the_package_uses_exists(real_cupy, names):
    functools.reduce(getattr, names, real_cupy)


def test_what_the_stand_in_offers_exists(real_cupy):
    import stand_in_cupy

    assert [name for name in stand_in_cupy.__all__ if name not in OUR_OWN and not hasattr(real_cupy, name)] == []
    for own, real in (
        (stand_in_cupy.ndarray, real_cupy.ndarray),
        (stand_in_cupy.RawKernel, real_cupy.RawKernel),
        (stand_in_cupy.RawModule, real_cupy.RawModule),
        (stand_in_cupy.cuda.Device, real_cupy.cuda.Device),
        (stand_in_cupy.cuda.Stream, real_cupy.cuda.Stream),
    ):
        assert [name for name in vars(own) if not name.startswith("_") and not hasattr(real, name)] == []
