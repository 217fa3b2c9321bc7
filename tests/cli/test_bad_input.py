"""Bad input gives one line on stderr and exit code 2."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def no_work(monkeypatch):
    """Whatever is refused is refused before the work is done."""

    def work(*_):
        raise AssertionError("the work was begun")

    monkeypatch.setattr("factorattn.cli.compare.compare", work)


@pytest.fixture
def refused(refusal):
    return lambda path, *words: refusal("compare", "--input", path, *words)


def test_a_file_that_does_not_exist(refused, tmp_path):
    assert refused(tmp_path / "no.npz") == f"--input '{tmp_path / 'no.npz'}' does not exist"


def test_a_folder_in_place_of_a_file(refused, tmp_path):
    (tmp_path / "folder.npz").mkdir()
    assert "folder.npz' is a folder" in refused(tmp_path / "folder.npz")
    assert refused(".") == "--input '.' is a folder; give a .npz or .safetensors file"


def test_a_suffix_that_is_not_known(refused, tmp_path):
    assert refused(tmp_path / "a.pt") == "--input must be a .npz or .safetensors file, got 'a.pt'"


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_arrays_of_other_names(request, refused, qkv, kind):
    write = request.getfixturevalue(kind)
    told = refused(write(query=qkv["q"], k=qkv["k"], v=qkv["v"]))
    assert told == f"own.{kind} must hold arrays q, k, v; found k, query, v"


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_a_file_without_arrays(request, refused, kind):
    assert "found none" in refused(request.getfixturevalue(kind)())


def test_shapes_that_disagree(refused, npz, qkv):
    assert "axis 'm' is 40 in k (3, 40, 8) but 39 in v (3, 39, 8)" in refused(npz(**qkv | {"v": qkv["v"][:, 1:]}))


def test_batches_that_do_not_broadcast(refused, npz, qkv):
    assert "batch axes must broadcast" in refused(npz(**qkv | {"v": qkv["v"][1:]}))


@pytest.mark.parametrize(("value", "told"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_values_that_are_not_finite(refused, npz, qkv, value, told):
    qkv["k"][1, 2, 3:] = value
    assert refused(npz(**qkv)) == f"k in own.npz must be finite, but holds {told} at (1, 2, 3) first"


def test_values_that_overflow_the_dtype_asked_for(refused, npz, qkv):
    qkv["v"][0, 0, 1] = 1e6
    assert refused(npz(**qkv), "--dtype", "float16") == "v in own.npz overflows float16: 1000000.0 at (0, 0, 1)"


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_integers(request, refused, qkv, kind):
    told = refused(request.getfixturevalue(kind)(**qkv | {"q": np.zeros((40, 8), np.int64)}))
    assert told.startswith(f"q in own.{kind} has dtype ")
    assert "expected" in told


def test_complex_numbers(refused, npz, qkv):
    assert "dtype complex64; expected float16, float32, float64" in refused(npz(**qkv | {"q": qkv["q"] * 1j}))


@pytest.mark.parametrize("shape", [(), (8,)])
def test_arrays_of_too_few_axes(refused, npz, qkv, shape):
    told = refused(npz(**qkv | {"q": np.zeros(shape, np.float32)}))
    assert f"q needs shape (..., n, d), got {shape}" in told


def test_empty_arrays(refused, npz, qkv):
    assert refused(npz(**qkv | {"q": qkv["q"][:, :0]})) == "q in own.npz is empty: its shape is (3, 0, 8)"


def test_a_pickle_is_refused_unread(refused, npz, qkv):
    told = refused(npz(**qkv | {"q": np.array([{"not": "numbers"}], dtype=object)}))
    assert "pickled objects, refused since they can run code" in told


def test_a_pickle_named_npz_is_refused_unread(refused, tmp_path):
    import pickle

    (tmp_path / "a.npz").write_bytes(pickle.dumps({"q": 1}))
    assert "pickled objects" in refused(tmp_path / "a.npz")


def test_a_text_named_npz(refused, tmp_path):
    (tmp_path / "a.npz").write_text("q k v")
    assert refused(tmp_path / "a.npz") == "a.npz is no .npz file"


def test_a_single_array_named_npz(refused, tmp_path, qkv):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, qkv["q"])
    assert refused(tmp_path / "a.npz") == "a.npz is a single array, not an .npz archive of q, k, v"


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
@pytest.mark.parametrize("left", [0, 5, 100, 2000])
def test_a_file_cut_short(request, refused, qkv, kind, left):
    path = request.getfixturevalue(kind)(**qkv)
    path.write_bytes(path.read_bytes()[:left])
    assert refused(path).startswith(f"own.{kind} is damaged or no .{kind} file: ")


def test_a_file_with_a_damaged_array(refused, npz, qkv):
    path = npz(**qkv)
    bytes_ = bytearray(path.read_bytes())
    bytes_[1000:1010] = bytes(10)
    path.write_bytes(bytes_)
    assert refused(path).startswith("own.npz is damaged or no .npz file: ")


def test_more_tokens_than_there_are(refused, refusal, npz, qkv):
    assert refused(npz(**qkv), "--n", "41") == "--n must be at most 40, the length of own.npz, got 41"
    assert "--n must be at most 8192" in refusal("compare", "--n", "8193")


@pytest.mark.parametrize("n", ["0", "-1", "1.5", "x", "", "1e-3", "nan"])
def test_a_number_of_tokens_that_is_none(refusal, n):
    told = refusal("compare", f"--n={n}")
    assert told == f"--n must be a positive integer such as 4096, 1e6 or 2^20, got {n!r}"


def test_a_prefix_of_queries_and_keys_of_different_lengths(refused, npz, qkv):
    told = refused(npz(**qkv | {"q": qkv["q"][:, 1:]}), "--n", "4")
    assert told == "--n cuts one sequence, but own.npz has 39 queries and 40 keys"


def test_causal_with_more_queries_than_keys(refused, npz, qkv):
    told = refused(npz(**{name: x[:, (name != "q") :] for name, x in qkv.items()}), "--causal")
    assert told == "--causal needs a key beside each query, got 40 queries and 39 keys"


@pytest.mark.parametrize("command", [["compare", "--only"], ["show"], ["cost"]])
def test_a_mechanism_that_is_not_there_and_which_may_be_meant(refusal, command):
    assert "got 'softmx'; did you mean softmax_attention" in refusal(*command, "softmx")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("z=3", "unknown size 'z' in 'z=3'; --set takes"),
        ("n=3", "unknown size 'n' in 'n=3'; --set takes"),
        ("r", "a size must look like n=1024, got 'r'"),
        ("r=x", "r must be a positive integer"),
        ("r=-4", "r must be a positive integer"),
        ("r=0", "r must be a positive integer"),
        ("r=2^99999999999", "r must be at most 2^30"),
        ("r=1e999", "r must be at most 2^30"),
    ],
)
def test_a_knob_that_cannot_be(refusal, word, told):
    assert told in refusal("compare", "--set", word)


def test_a_knob_given_twice(refusal):
    assert refusal("compare", "--set", "r=1", "--set", "r=2") == "size r is given twice"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["w=3"], "unknown size 'w' in 'w=3'; softmax_attention has n, m, d, e"),
        (["n=1e6", "n=2"], "size n is given twice"),
        (["n=0.5"], "n must be a positive integer"),
        (["causal=maybe"], "causal must be true or false, got 'maybe'"),
        (["causal=true", "causal=true"], "causal is given twice"),
        (["form=fast"], "form must be dense or online, got 'fast'"),
    ],
)
def test_a_cost_that_cannot_be_counted(refusal, words, told):
    assert told in refusal("cost", "softmax", *words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("longformer n=10 g=100", "global_tokens must be distinct integers in 0 .. 9, got 100 positions"),
        ("linformer n=10 r=100", "rank r must be at most the number of keys 10, got 100"),
    ],
)
def test_a_cost_of_sizes_that_the_mechanism_refuses(refusal, words, told):
    assert refusal("cost", *words.split()).endswith(told)


def test_the_cost_of_a_causal_form_that_there_is_not(refusal):
    assert refusal("cost", "lowrank", "causal=true") == "lowrank_attention is never causal: it takes no causal="


def test_cupy_that_is_not_installed(refusal, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "--namespace cupy needs CuPy (pip install" in refusal("compare", "--namespace", "cupy")


def test_cupy_without_a_gpu(refusal, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False)))
    assert "CuPy finds none" in refusal("compare", "--namespace", "cupy")


@pytest.mark.parametrize("option", ["--json", "--csv", "--html"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(refusal, tmp_path, option):
    assert "cannot be written: No such file or directory" in refusal("compare", option, tmp_path / "no" / "a")
    assert "is a folder; give the name of a file" in refusal("compare", option, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--json", "--csv", "--html"])
def test_a_result_without_a_name(refusal, option):
    assert refusal("compare", option, "") == f"{option} '' is no name of a file"


def test_two_results_in_one_place(refusal, tmp_path):
    assert refusal("compare", "--json", "-", "--csv", "-") == "--json and --csv both write to stdout"
    assert "both write to" in refusal("compare", "--json", tmp_path / "a", "--html", tmp_path / "a")


@pytest.mark.parametrize(
    "words", ["compare --dtype int8", "compare --nonsense", "nonsense", "--nonsense", "show", "compare x", "list x"]
)
def test_words_that_the_command_line_does_not_have(refusal, words):
    assert refusal(*words.split())


def test_a_bug_keeps_its_traceback(call):
    with pytest.raises(AssertionError, match="the work was begun"):
        call("compare")
