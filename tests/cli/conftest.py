"""The command line, called in this process."""

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from factorattn.cli.main import app


@pytest.fixture
def call():
    """Call the command line; the result has exit_code, stdout and stderr. An unexpected exception is raised."""

    def invoke(*words):
        result = CliRunner().invoke(app, list(map(str, words)), prog_name="factorattn", catch_exceptions=False)
        assert "Traceback" not in result.stderr
        return result

    return invoke


@pytest.fixture
def refusal(call):
    """Call the command line with bad input; the one line it says."""

    def invoke(*words):
        result = call(*words)
        assert result.exit_code == 2
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("factorattn: error: ")
        return line.removeprefix("factorattn: error: ")

    return invoke


@pytest.fixture
def qkv():
    """Small q, k, v as a user may have them."""
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal((3, 40, 8), dtype=np.float32) for name in "qkv"}


@pytest.fixture
def npz(tmp_path):
    """Write arrays to an .npz file."""

    def write(**arrays):
        np.savez(tmp_path / "own.npz", **arrays)
        return tmp_path / "own.npz"

    return write


@pytest.fixture
def safetensors(tmp_path):
    """Write arrays to a .safetensors file."""

    def write(**arrays):
        save_file(arrays, tmp_path / "own.safetensors")
        return tmp_path / "own.safetensors"

    return write
