"""train transactions: its table, its files, its refusals, what an interrupt leaves; and the real quick run."""

import csv
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from processes import heed_interrupts
from typer.testing import CliRunner

from factorattn.cli.main import app
from factorattn.experiment.transactions import QUICK, make_streams
from factorattn.experiment.transactions.model import MECHANISMS

WORDS = ("train", "transactions")
SMALL = (*WORDS, "--lengths", "32,64", "--steps", 1, "--start-steps", 2)
TINY = (*SMALL, "--mechanisms", "performer")
STUDY = "factorattn.experiment.transactions.study"


@pytest.fixture(scope="module")
def few_purchases():
    """The first of the tokens only, and no time spent on timing."""
    module = importlib.import_module(STUDY)
    real = module.time_of

    def cut(lengths, *, seed):
        streams = make_streams(lengths, seed=seed)
        return replace(streams, learn=streams.learn[:1030], test=streams.test[:520])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "make_streams", cut)
        patch.setattr(module, "time_of", lambda call, *, seconds: real(call, seconds=0.0))
        yield


@pytest.fixture(scope="module")
def finished(few_purchases, tmp_path_factory):
    """A folder with a run that has ended, and its figures."""
    folder = tmp_path_factory.mktemp("run")
    words = (*TINY, "--checkpoint", folder, "--json", "-")
    return folder, figures(CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False).stdout)


@pytest.fixture
def run(finished, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(finished[0], tmp_path / "run")


@pytest.fixture
def interrupt(monkeypatch):
    """Let Ctrl-C hit a step."""
    job = importlib.import_module(STUDY)._Job
    real, calls = job.advance, []

    def at(step):
        def advance(self, *args):
            calls.append(None)
            if len(calls) == step:
                raise KeyboardInterrupt
            return real(self, *args)

        monkeypatch.setattr(job, "advance", advance)

    return at


def figures(text):
    """What JSON says, without what was measured."""
    found = json.loads(text)
    measured = ("seconds_median", "seconds_lower_quartile", "seconds_upper_quartile", "repeats", "peak_bytes")
    return [{key: value for key, value in row.items() if key not in measured} for row in found["rows"]]


# The table and the files


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_table_json_csv_and_picture(call, few_purchases, tmp_path, suffix):
    json_file, csv_file, picture = (tmp_path / f"a.{name}" for name in ("json", "csv", suffix))
    files = ("--json", json_file, "--csv", csv_file, "--output", picture)
    out = call(*SMALL, "--mechanisms", "full,performer", *files).stdout
    titles = "model length parameters ms a step quartiles, ms MiB a step training held out last inside seen ahead"
    assert " ".join(out.splitlines()[0].split()) == titles
    shown = [line.split() for line in out.splitlines() if line.startswith(("full ", "performer "))]
    assert [row[:2] for row in shown] == [[name, n] for name in ("full", "performer") for n in ("32", "64")]
    for text in ("unigram of the training customers", "bigram of the training customers", "full: time n^"):
        assert text in out
    assert "no better than the unigram table: full at 32, full at 64" in out  # after three steps

    found, lines = json.loads(json_file.read_text()), list(csv.DictReader(csv_file.read_text().splitlines()))
    assert (found["plan"]["lengths"], found["plan"]["mechanisms"]) == ([32, 64], ["full", "performer"])
    assert (found["plan"]["steps"], found["plan"]["start_steps"], found["plan"]["seed"]) == (1, 2, 0)
    assert found["data"]["training_customers"] + found["data"]["held_out_customers"] == 23570
    assert found["baselines"]["bigram"] < found["baselines"]["unigram"]
    assert [entry["mechanism"] for entry in found["growth"]] == ["full", "performer"]
    for row, line, cells in zip(found["rows"], lines, shown, strict=True):
        assert {key: str(value) for key, value in row.items()} == line
        assert cells[2] == f"{row['parameters']:,}"
        assert cells[-5:-1] == [
            f"{row[key]:.3f}"
            for key in (
                "training_loss",
                "held_out_nats_per_purchase",
                "last_nats_per_token",
                "inside_nats_per_token",
            )
        ]

    content = picture.read_bytes()
    if suffix == "png":
        assert content.startswith(b"\x89PNG")
    else:
        text = content.decode()
        assert all(word in text for word in ("full", "performer", "unigram, counted", "length n", "peak memory, MiB"))


def test_the_same_seed_gives_the_same_figures_and_another_one_others(call, finished):
    assert figures(call(*TINY, "--csv", os.devnull, "--json", "-").stdout) == finished[1]
    assert figures(call(*TINY, "--seed", 4, "--json", "-").stdout) != finished[1]


# Going on


def test_interrupted_and_resumed_the_figures_are_the_same(call, finished, interrupt, tmp_path):
    interrupt(4)
    result = call(*TINY, "--checkpoint", tmp_path / "run")
    told = "factorattn: interrupted; to go on, give the same options and --resume\n"
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", told)
    assert "holds a run; go on with --resume" in call(*TINY, "--checkpoint", tmp_path / "run").stderr
    assert figures(call(*TINY, "--checkpoint", tmp_path / "run", "--resume", "--json", "-").stdout) == finished[1]


def test_without_a_checkpoint_an_interrupt_leaves_nothing(call, few_purchases, interrupt, tmp_path):
    interrupt(2)
    result = call(*TINY, "--json", tmp_path / "a.json")
    assert (result.exit_code, result.stderr) == (130, "factorattn: interrupted; nothing was written\n")
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_refused_and_the_way_on_is_told(call, refusal, finished, run):
    resumed = (*TINY, "--checkpoint", run, "--resume", "--json", "-")
    file = run / "performer-64.safetensors"
    file.write_bytes(file.read_bytes()[:-9])
    told = refusal(*resumed)
    assert told.startswith(f"--checkpoint: {str(file)!r} is damaged")
    assert told.endswith("with 3 steps done: delete performer-64.safetensors to go on from there")
    file.unlink()
    assert figures(call(*resumed).stdout) == finished[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--seed", 1), "seed 0, and this run has seed 1"),
        (("--steps", 2), "steps 1, and this run has steps 2"),
        (("--lengths", "16"), "lengths [32, 64], and this run has lengths [32, 64, 16]"),
    ],
)
def test_other_settings_are_refused_by_name(refusal, run, words, told):
    assert told in refusal(*TINY, *words, "--checkpoint", run, "--resume")


# Refusals


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--lengths", "32,48"), "--lengths must be 2 or more and divide the longest, 48, got 32"),
        (("--lengths", "32768"), "--lengths must be below 19103, the tokens of customers held out, got 32768"),
        (("--lengths", "x"), "--lengths must be a positive integer such as 4096, 1e6 or 2^20, got 'x'"),
        (("--lengths", ","), "--lengths must be one or more, each once, got none"),
        (("--lengths", "8,8"), "--lengths must be one or more, each once, got 8, 8"),
        (
            ("--mechanisms", "gur"),
            "--mechanisms must be full, performer, infinite-former, informer, lstm, gru, got 'gur'",
        ),
        (("--steps", "0"), "--steps must be a positive integer such as 4096, 1e6 or 2^20, got '0'"),
        (("--start-steps", "-1"), "--start-steps must be a positive integer such as 4096, 1e6 or 2^20, got '-1'"),
        (("--seed", "-1"), "--seed must be an integer from 0 on, got '-1'"),
        (("--output", "a.pdf"), "--output must end in .png or .svg, got 'a.pdf'"),
        (("--json", "-", "--csv", "-"), "--json and --csv both write to stdout"),
        (("--resume",), "--resume goes on from --checkpoint FOLDER; give the folder, too"),
        (
            ("--checkpoint", "/nowhere/x/y", "--resume"),
            "--checkpoint '/nowhere/x/y' holds no state of training to resume",
        ),
        (("--checkpoint", ""), "--checkpoint must name a folder, got ''"),
        (("--checkpoint", "/dev/null"), "--checkpoint '/dev/null' is a file; give the name of a folder"),
        (("--checkpoint", "/dev/null/a"), "--checkpoint '/dev/null/a' cannot be made: Not a directory"),
    ],
)
def test_bad_options_are_refused_before_any_work(refusal, words, told):
    assert refusal(*WORDS, *words) == told


def test_a_checkpoint_that_cannot_be_written(refusal, few_purchases, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    told = refusal(*TINY, "--checkpoint", tmp_path / "run")
    assert told == f"--checkpoint {str(tmp_path / 'run')!r} cannot be written: No space left on device"


def test_without_a_command_the_help_is_printed(call):
    result = call("train")
    assert result.exit_code == 0
    assert "transactions" in result.stdout
    assert "dates" in result.stdout


# The real thing


@pytest.mark.slow
def test_the_quick_run_beats_the_unigram_table_within_a_minute(call):
    start = time.process_time()
    found = json.loads(call(*WORDS, "--quick", "--json", "-").stdout)
    assert time.process_time() - start < 60
    assert [(row["mechanism"], row["n"]) for row in found["rows"]] == [
        (m, n) for m in MECHANISMS for n in QUICK.lengths
    ]
    for row in found["rows"]:
        assert row["held_out_nats_per_purchase"] < found["baselines"]["unigram"]
    growth = {entry["mechanism"]: round(entry["peak_exponent"]) for entry in found["growth"]}
    assert growth == {name: 2 if name == "full" else 1 for name in MECHANISMS}
    leaks = {row["mechanism"] for row in found["rows"] if row["seen_ahead_nats"] > 100 * np.finfo(np.float32).eps}
    assert leaks <= {"informer"}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_real_interrupt_leaves_a_checkpoint_to_go_on_from(call, tmp_path, number, code):
    words = (*WORDS, "--lengths", "64,128", "--steps", "2", "--start-steps", "6", "--mechanisms", "lstm")
    want = figures(call(*words, "--json", "-").stdout)
    command = [sys.executable, "-m", "factorattn", *words, "--checkpoint", str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*.safetensors")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert not list(tmp_path.glob("*.tmp"))
    assert figures(call(*words, "--checkpoint", tmp_path, "--resume", "--json", "-").stdout) == want


def test_the_help_tells_the_defaults_of_the_plan():
    from typer.main import get_command

    from factorattn.cli.train import train
    from factorattn.experiment.transactions import QUICK, Plan

    told = {option.name: option.show_default for option in get_command(train).commands["transactions"].params}
    assert told["steps"] == f"{Plan().steps}, or {QUICK.steps} quick"
    assert told["start_steps"] == f"{Plan().start_steps}, or {QUICK.start_steps} quick"
    assert told["lengths"] == ",".join(map(str, Plan().lengths))
