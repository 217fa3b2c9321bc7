"""A folder of a pretrained encoder is read whole, or refused with what is wrong in it."""

import json
import re

import numpy as np
import pytest

from factorattn.model import encode, read_sentence_encoder
from factorattn.model.reading import expected_shapes

tokenizers = pytest.importorskip("tokenizers", reason="extra: peers")
pytestmark = pytest.mark.peers

CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 6,
    "intermediate_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "vocab_size": 9,
    "max_position_embeddings": 7,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
FILES = {
    "config.json": CONFIG,
    "modules.json": [
        {"type": f"sentence_transformers.models.{name}"} for name in ("Transformer", "Pooling", "Normalize")
    ],
    "1_Pooling/config.json": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
    "sentence_bert_config.json": {"max_seq_length": 5},
}


@pytest.fixture
def folder(tmp_path):
    """A small model with a tokenizer of whole words, written as sentence-transformers does."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)
    tensors = {name: rng.standard_normal(shape, dtype="float32") for name, shape in expected_shapes(CONFIG).items()}
    tensors["embeddings.position_ids"] = np.arange(7)[None]
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "1_Pooling").mkdir()
    for name, told in FILES.items():
        (tmp_path / name).write_text(json.dumps(told))
    words = {"[UNK]": 0, "a": 1, "b": 2, "c": 3}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    model.enable_padding(length=64)  # what the file says of length does not count
    model.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def change(folder, file, **told):
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | told))


def rewrite(folder, edit):
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_everything_is_read(folder):
    encoder = read_sentence_encoder(folder)
    assert (encoder.heads, encoder.epsilon) == (2, 1e-12)
    assert {name: x.shape for name, x in encoder.parameters.items()} == expected_shapes(CONFIG)
    assert all(x.dtype == np.float32 for x in encoder.parameters.values())
    assert encode(encoder, ["a b", "c"]).shape == (2, 6)
    assert "heads=2" in repr(encoder)


def test_what_is_too_long_is_cut_off(folder):
    encoder = read_sentence_encoder(str(folder))
    np.testing.assert_array_equal(encode(encoder, ["a b c a b"]), encode(encoder, ["a b c a b c c c"]))
    assert not np.array_equal(encode(encoder, ["a b c a b"]), encode(encoder, ["a b c a"]))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_parameters_are_of_the_dtype_asked_for(folder, dtype):
    encoder = read_sentence_encoder(folder, dtype=dtype)
    assert {x.dtype.name for x in encoder.parameters.values()} == {dtype}
    assert encode(encoder, ["a"]).dtype == dtype


@pytest.mark.parametrize(
    ("file", "told", "message"),
    [
        ("config.json", {"model_type": "mpnet"}, "config.json: model_type must be 'bert', got 'mpnet'"),
        ("config.json", {"hidden_act": "relu"}, "config.json: hidden_act must be 'gelu', got 'relu'"),
        ("config.json", {"position_embedding_type": "relative_key"}, "position_embedding_type must be 'absolute'"),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}, "pooling_mode_cls_token must be False, got True"),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False}, "pooling_mode_mean_tokens must be True"),
        ("config.json", {"vocab_size": 3}, "word_embeddings.weight must have shape (3, 6), got (9, 6)"),
        ("config.json", {"num_hidden_layers": 0}, "model.safetensors must hold 0 layers, got 1"),
    ],
)
def test_what_is_not_done_here_is_refused(folder, file, told, message):
    change(folder, file, **told)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_sentence_encoder(folder)


@pytest.mark.parametrize(
    ("file", "told", "message"),
    [
        ("1_Pooling/config.json", {"word_embedding_dimension": 6}, "pooling_mode_mean_tokens must be True, got None"),
        (
            "sentence_bert_config.json",
            FILES["sentence_bert_config.json"] | {"do_lower_case": True},
            "do_lower_case must",
        ),
    ],
)
def test_pooling_that_is_not_told_and_letters_made_small_are_refused(folder, file, told, message):
    (folder / file).write_text(json.dumps(told))
    with pytest.raises(ValueError, match=f"{file}: {message}"):
        read_sentence_encoder(folder)


def test_other_modules_are_refused(folder):
    (folder / "modules.json").write_text(json.dumps(FILES["modules.json"][:2]))
    with pytest.raises(
        ValueError, match=r"modules\.json: modules must be .*'Normalize'.*, got \('Transformer', 'Pooling'\)"
    ):
        read_sentence_encoder(folder)


def test_more_words_than_vectors_are_refused(folder):
    change(folder, "config.json", vocab_size=3)
    rewrite(folder, lambda x: x.update({"embeddings.word_embeddings.weight": np.ones((3, 6), "float32")}))
    with pytest.raises(ValueError, match=r"tokenizer\.json must have at most 3 tokens, got 4"):
        read_sentence_encoder(folder)


def test_a_tensor_that_is_not_there_is_named(folder):
    rewrite(folder, lambda x: x.pop("encoder.layer.0.output.dense.bias"))
    with pytest.raises(ValueError, match=r"must hold encoder\.layer\.0\.output\.dense\.bias of shape \(6,\)"):
        read_sentence_encoder(folder)


def test_a_tensor_of_another_shape_is_named(folder):
    name = "encoder.layer.0.intermediate.dense.weight"
    rewrite(folder, lambda x: x.update({name: x[name].T.copy()}))
    with pytest.raises(ValueError, match=re.escape(f"{name} must have shape (8, 6), got (6, 8)")):
        read_sentence_encoder(folder)


@pytest.mark.parametrize("file", [*FILES, "model.safetensors", "tokenizer.json"])
def test_a_file_that_is_not_there_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(file.rpartition("/")[2])):
        read_sentence_encoder(folder)


def test_a_dtype_that_is_not_real_floating_is_refused(folder):
    with pytest.raises(ValueError, match="dtype must be real floating, got int32"):
        read_sentence_encoder(folder, dtype="int32")


@pytest.mark.parametrize("file", [*FILES, "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_named(folder, file):
    (folder / file).write_bytes((folder / file).read_bytes()[:7])
    with pytest.raises(ValueError, match=f"{re.escape(file.rpartition('/')[2])} is damaged: "):
        read_sentence_encoder(folder)


def test_settings_of_another_kind_are_named(folder):
    change(folder, "config.json", num_attention_heads="12")
    with pytest.raises(ValueError, match=r"config\.json: num_attention_heads must be a number, got '12'"):
        read_sentence_encoder(folder)
    (folder / "config.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"config\.json must hold names and values, got \[1, 2\]"):
        read_sentence_encoder(folder)
