"""reconstruct: the way back, and its refusals."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


@pytest.fixture
def model(tmp_path):
    rng = np.random.default_rng(0)
    own = {"a.weight": rng.standard_normal((30, 20), dtype=np.float32), "ids": np.arange(6).reshape(2, 3)}
    save_file(own, tmp_path / "model.safetensors", metadata={"format": "pt"})
    return tmp_path / "model.safetensors"


@pytest.fixture
def small(call, model, tmp_path):
    assert call("factorize", model, "--rank", 4, "--output", tmp_path / "small.safetensors").exit_code == 0
    return tmp_path / "small.safetensors"


def test_there_and_back(call, model, small, tmp_path):
    result = call("reconstruct", small, "--output", tmp_path / "back.safetensors")
    assert result.exit_code == 0
    assert " ".join(result.stdout.split()).startswith("restored 1 matrix from factors file back.safetensors: 2 tensors")
    own, back = load_file(model), load_file(tmp_path / "back.safetensors")
    u, s, vt = np.linalg.svd(own["a.weight"].astype(np.float64), full_matrices=False)
    best = (u[:, :4] * s[:4]) @ vt[:4]
    assert np.linalg.norm(back["a.weight"] - best) <= np.finfo(np.float32).eps * 600 * s[0]
    assert back["ids"].tobytes() == own["ids"].tobytes()
    with safe_open(tmp_path / "back.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_refusals(refusal, model, small, tmp_path):
    out = tmp_path / "out.safetensors"
    assert refusal("reconstruct", model, "--output", out) == (
        "model.safetensors is no factored checkpoint: its metadata has no 'factorattn'"
    )
    stored = load_file(small)
    with safe_open(small, framework="numpy") as file:
        metadata = file.metadata()
    gone = {name: x for name, x in stored.items() if not name.endswith("factors.1")}
    save_file(gone, tmp_path / "gone.safetensors", metadata=metadata)
    told = refusal("reconstruct", tmp_path / "gone.safetensors", "--output", out)
    assert told == "gone.safetensors lacks 'a.weight.factors.1', a factor of 'a.weight'"
    save_file(stored | {"a.weight": np.ones(3)}, tmp_path / "both.safetensors", metadata=metadata)
    assert "holds 'a.weight' both dense and as factors" in refusal(
        "reconstruct", tmp_path / "both.safetensors", "--output", out
    )
    save_file(stored, tmp_path / "bad.safetensors", metadata={"factorattn": metadata["factorattn"][:-9]})
    told = refusal("reconstruct", tmp_path / "bad.safetensors", "--output", out)
    assert told.startswith("the metadata 'factorattn' of bad.safetensors is damaged")
    about = json.loads(metadata["factorattn"])
    about["tensors"]["a.weight"]["shape"] = [20, 30]
    save_file(stored, tmp_path / "turned.safetensors", metadata={"factorattn": json.dumps(about)})
    told = refusal("reconstruct", tmp_path / "turned.safetensors", "--output", out)
    assert told == "the factors of 'a.weight' make a matrix (30, 20), expected (20, 30)"
    assert refusal("reconstruct", tmp_path / "no.npz", "--output", out) == f"'{tmp_path / 'no.npz'}' does not exist"
    assert refusal("reconstruct", small, "--output", tmp_path / "x.pt").startswith("--output ")
    assert not out.exists()
    assert not any("tmp" in path.name for path in tmp_path.iterdir())


def test_values_that_overflow_the_dtype_are_refused_by_name(refusal, call, model, small, tmp_path):
    stored = load_file(small)
    with safe_open(small, framework="numpy") as file:
        metadata = file.metadata()
    stored["a.weight.factors.0"] = stored["a.weight.factors.0"] * np.float32(1e38)
    stored["a.weight.factors.1"] = stored["a.weight.factors.1"] * np.float32(1e38)
    save_file(stored, tmp_path / "huge.safetensors", metadata=metadata)
    told = refusal("reconstruct", tmp_path / "huge.safetensors", "--output", tmp_path / "out.safetensors")
    assert told.startswith("'a.weight' cannot be restored: ")
