"""Which of reference and kernel a primitive runs, and how that is chosen, refused and told."""

import importlib
import sys
from contextvars import copy_context
from threading import Barrier, Thread

import numpy as np
import pytest

from factorattn.primitives.dispatch import Choice, Unsupported, explain, kernels, primitive
from factorattn.primitives.softmax_attend import softmax_attend

PRIMITIVE = """
from factorattn.primitives.dispatch import primitive

@primitive(numpy="{package}.double_kernel", torch="double_torch")
def double(x, /, *, refuse="", fail=False):
    "Twice x."
    return ("reference", 2 * x)
""".replace("{package}.", "")

KERNEL = """
{imports}
from factorattn.primitives.dispatch import Unsupported

def double(x, /, *, refuse="", fail=False):
    if refuse:
        raise Unsupported(refuse)
    if fail:
        raise ZeroDivisionError("a bug")
    return ("kernel", 2 * x)
"""

ON_KERNEL = [Choice("double", "double_kernel")]


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Write a package with a primitive `double` and its kernel, which begins with `imports`; return the primitive."""

    def write(imports=""):
        package = tmp_path / "made_for_a_test"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "double.py").write_text(PRIMITIVE)
        (package / "double_kernel.py").write_text(KERNEL.replace("{imports}", imports))
        return importlib.import_module("made_for_a_test.double").double

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_for_a_test"]:
        del sys.modules[name]


@pytest.fixture
def double(make):
    return make()


def test_a_kernel_for_the_namespace_runs(double):
    with kernels("auto") as log:
        assert double(np.asarray(3.0)) == ("kernel", 6.0)
    assert log == ON_KERNEL


def test_kernels_are_used_without_asking(double):
    assert double(np.asarray(3.0)) == ("kernel", 6.0)


def test_kernels_can_be_turned_off(double):
    with kernels("off") as log:
        assert double(np.asarray(3.0)) == ("reference", 6.0)
    assert log == [Choice("double", "reference", "kernels are off")]


def test_a_kernel_is_not_even_imported_while_kernels_are_off(make):
    double = make(imports="raise AssertionError('imported')")
    with kernels("off"):
        assert double(np.asarray(3.0)) == ("reference", 6.0)


def test_require_runs_the_kernel(double):
    with kernels("require") as log:
        assert double(np.asarray(3.0)) == ("kernel", 6.0)
    assert log == ON_KERNEL


def test_a_kernel_that_declines_gives_way_to_the_reference_and_its_reason_is_logged(double):
    with kernels("auto") as log:
        assert double(np.asarray(3.0), refuse="too odd") == ("reference", 6.0)
    assert log == [Choice("double", "reference", "too odd")]


def test_require_tells_why_a_kernel_declined(double):
    with kernels("require") as log, pytest.raises(Unsupported, match=r"^double: too odd$"):
        double(np.asarray(3.0), refuse="too odd")
    assert log == []


@pytest.mark.parametrize("mode", ["auto", "require"])
def test_any_other_exception_of_a_kernel_is_a_bug_and_propagates(double, mode):
    with kernels(mode), pytest.raises(ZeroDivisionError, match="a bug"):
        double(np.asarray(3.0), fail=True)


def test_arrays_of_a_namespace_without_a_kernel_go_to_the_reference(double):
    strict = pytest.importorskip("array_api_strict")
    x = strict.asarray(3.0)
    with kernels("auto") as log:
        assert double(x)[0] == "reference"
    assert log == [Choice("double", "reference", "no kernel for array_api_strict arrays")]
    with kernels("require"), pytest.raises(Unsupported, match=r"^double: no kernel for array_api_strict arrays$"):
        double(x)


@pytest.mark.parametrize("library", ["numba", "cupy"])
def test_a_library_that_is_not_installed_leads_to_the_reference(make, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    double = make(imports=f"import {library}")
    with kernels("auto") as log:
        assert double(np.asarray(3.0)) == ("reference", 6.0)
    assert log == [Choice("double", "reference", f"{library} is not installed")]
    with kernels("require"), pytest.raises(Unsupported, match=f"^double: {library} is not installed$"):
        double(np.asarray(3.0))


@pytest.mark.parametrize("imports", ["import no_such_library", "import factorattn.no_such_module"])
def test_anything_else_that_a_kernel_cannot_import_is_a_bug_and_propagates(make, imports):
    double = make(imports=imports)
    with pytest.raises(ModuleNotFoundError, match="no_such"):
        double(np.asarray(3.0))


@pytest.mark.peers
def test_a_kernel_module_that_is_named_but_does_not_exist_is_a_bug_and_propagates(double):
    torch = pytest.importorskip("torch")
    with pytest.raises(ModuleNotFoundError, match="double_torch"):
        double(torch.asarray(3.0))


def test_a_numba_that_is_there_but_broken_is_a_bug_and_propagates(make):
    double = make(imports="from numba import no_such_name")
    with pytest.raises(ImportError, match="no_such_name"):
        double(np.asarray(3.0))


def test_a_numba_that_refuses_this_numpy_is_told_and_not_used(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    double = make(imports="raise ImportError('Numba needs NumPy 2.4 or less', name='numba')")
    with kernels("auto") as log:
        double(np.asarray(3.0))
    assert log[0].why == "numba cannot be imported: Numba needs NumPy 2.4 or less"


def test_the_library_works_without_numba(monkeypatch):
    for name in [name for name in sys.modules if name.endswith("_numba") and name.startswith("factorattn.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)
    x = np.ones((2, 3))
    with kernels("auto") as log:
        o, _ = softmax_attend(x, x, x, scale=1.0)
    np.testing.assert_array_equal(o, x)
    assert log == [Choice("softmax_attend", "reference", "numba is not installed")]


def test_the_primitive_keeps_the_name_and_the_text_of_its_reference(double):
    assert (double.__name__, double.__doc__) == ("double", "Twice x.")
    assert double.reference(3.0) == ("reference", 6.0)
    assert double.siblings == {"numpy": "double_kernel", "torch": "double_torch"}


def test_a_block_within_a_block_has_its_own_mode_and_log_and_then_gives_both_back(double):
    with kernels("off") as outer:
        with kernels("auto") as inner:
            assert double(np.asarray(3.0))[0] == "kernel"
        assert double(np.asarray(3.0))[0] == "reference"
    assert inner == ON_KERNEL
    assert outer == [Choice("double", "reference", "kernels are off")]
    assert double(np.asarray(3.0))[0] == "kernel"


def test_a_block_that_ends_by_an_exception_gives_mode_and_log_back(double):
    with pytest.raises(KeyError, match="on purpose"), kernels("off") as log:
        raise KeyError("on purpose")
    assert double(np.asarray(3.0))[0] == "kernel"
    assert log == []


@pytest.mark.parametrize("mode", ["on", "", None, True])
def test_an_unknown_mode_is_refused(mode):
    with pytest.raises(ValueError, match=r"^mode must be 'auto' or 'off' or 'require', got "), kernels(mode):
        pass


def test_an_unknown_mode_leaves_the_mode_of_the_block_around_it(double):
    with kernels("off"):
        with pytest.raises(ValueError, match=r"^mode must be"), kernels("on"):
            pass
        assert double(np.asarray(3.0))[0] == "reference"


def test_threads_choose_for_themselves(double):
    together, ran, logs = Barrier(2, timeout=30), {}, {}

    def work(mode):
        with kernels(mode) as logs[mode]:
            together.wait()  # both are inside their blocks
            ran[mode] = double(np.asarray(3.0))[0]
            together.wait()

    threads = [Thread(target=work, args=(mode,)) for mode in ("auto", "off")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == {"auto": "kernel", "off": "reference"}
    assert logs == {"auto": ON_KERNEL, "off": [Choice("double", "reference", "kernels are off")]}


def test_a_block_that_is_open_in_another_context_does_not_reach_this_one(double):
    block, elsewhere = kernels("off"), copy_context()
    elsewhere.run(block.__enter__)
    assert elsewhere.run(double, np.asarray(3.0))[0] == "reference"
    assert double(np.asarray(3.0))[0] == "kernel"
    elsewhere.run(block.__exit__, None, None, None)


def test_explain_tells_each_choice_once_in_the_order_of_calls(double):
    def twice_each(x):
        for refuse in ("", "too odd") * 2:
            double(x, refuse=refuse)

    told = explain(twice_each, np.asarray(3.0))
    assert told == [*ON_KERNEL, Choice("double", "reference", "too odd")]
    assert list(map(str, told)) == ["double -> double_kernel", "double -> reference (too odd)"]


def test_explain_passes_arguments_on_and_answers_for_the_mode_around_it(double):
    with kernels("off"):
        assert explain(double, np.asarray(3.0), refuse="too odd") == [Choice("double", "reference", "kernels are off")]
    with kernels("require"), pytest.raises(Unsupported, match=r"^double: too odd$"):
        explain(double, np.asarray(3.0), refuse="too odd")


def test_explain_of_what_calls_no_primitive_is_empty():
    assert explain(abs, -1.0) == []


def test_a_primitive_within_a_primitive_is_logged_too():
    @primitive()
    def inner(x, /):
        return x

    @primitive()
    def outer(x, /):
        return inner(x)

    why = "no kernel for numpy arrays"
    assert explain(outer, np.ones(1)) == [Choice("outer", "reference", why), Choice("inner", "reference", why)]
