"""train dates: its tables, files and picture; checkpoints; refusals; what an interrupt leaves."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from processes import heed_interrupts

from factorattn.experiment.dates import run as module
from factorattn.experiment.dates.model import Sizes, read_dates
from factorattn.experiment.dates.run import Plan, read_checkpoint, run

TINY = Plan(steps=12, batch=6, phrases=30, sizes=Sizes(c=8, heads=2, hidden=12, encoder_layers=1, decoder_layers=1))


@pytest.fixture
def tiny(monkeypatch):
    """Let --quick be so small that it is done at once."""
    monkeypatch.setattr(module, "QUICK", TINY)


def test_every_kind_of_phrase_has_a_row_and_mistakes_are_shown(call, tiny):
    out = call("train", "dates", "--quick").stdout
    result = run(TINY)
    for score in result.scores:
        start = re.compile(f"{score.language} +{score.kind} +[0-9]")
        row = next(line.split() for line in out.splitlines() if start.match(line))
        assert row[-3:] == [str(score.phrases), str(score.exact), f"{score.exact / score.phrases:.1%}"]
    assert f"{result.exact:.2%}" in next(line for line in out.splitlines() if line.startswith("all"))
    shown = result.mistakes[:8]
    assert all(re.search(f"{re.escape(phrase.text)} +{phrase.iso}", out) for phrase, _ in shown)
    assert f"and {len(result.mistakes) - 8} other mistakes" in out
    assert "12 steps of 6 phrases of 65,744 days" in out
    assert "30 phrases of 7,305 other days" in out


def test_json_has_every_figure(call, tiny):
    told = json.loads(call("train", "dates", "--quick", "--json", "-", "--phrase", "3 May 1997").stdout)
    result = run(TINY)
    assert told["losses"] == list(result.losses)
    assert told["exact"] == result.exact
    assert [row["phrases"] for row in told["scores"]] == [score.phrases for score in result.scores]
    assert [row["read"] for row in told["mistakes"]] == [read for _, read in result.mistakes]
    assert told["plan"]["sizes"]["c"] == 8
    assert told["days"] == {"trained": 65744, "held_out": 7305}
    assert told["phrases"][0]["phrase"] == "3 May 1997"


def test_steps_and_seed_are_those_asked_for(call, tiny):
    told = json.loads(call("train", "dates", "--quick", "--steps", 3, "--seed", 5, "--json", "-").stdout)
    assert told["losses"] == list(run(replace(TINY, steps=3, seed=5)).losses)


def test_the_picture_is_of_the_phrase(call, tiny, tmp_path):
    file = tmp_path / "heads.svg"
    words = ("train", "dates", "--quick", "--steps", 1, "--output", file)
    call(*words)
    example = file.read_bytes()
    assert example.startswith(b"<?xml")
    call(*words, "--phrase", "the 3rd of May 1997")
    assert file.read_bytes() == example
    call(*words, "--phrase", "4 de julio de 2001")
    assert file.read_bytes() != example


def test_a_phrase_is_read_with_a_checkpoint_and_nothing_is_trained(call, tiny, tmp_path):
    name = tmp_path / "run"
    call("train", "dates", "--quick", "--checkpoint", name)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    texts = ["3 May 1997", "1.º de enero de 2000"]
    words = ("--phrase", texts[0], "--phrase", texts[1])
    out = call("train", "dates", "--checkpoint", name, *words).stdout
    assert "12 of 12 steps, read from the checkpoint" in out
    plan, parameters, _ = read_checkpoint(name)
    for text, read in zip(texts, read_dates(parameters, texts, sizes=plan.sizes), strict=True):
        assert re.search(f"^{re.escape(text)} +{re.escape(read)}$", out, re.MULTILINE)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_run_that_is_done_can_be_told_again(call, tiny, tmp_path):
    words = ("train", "dates", "--quick", "--json", "-", "--checkpoint", tmp_path / "run")
    first = json.loads(call(*words).stdout)
    again = json.loads(call(*words, "--resume").stdout)
    for key in ("losses", "exact", "scores", "mistakes"):
        assert first[key] == again[key]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--resume",), "--resume goes on from --checkpoint NAME; give the name, too"),
        (("--resume", "--checkpoint", "none"), "--checkpoint 'none' holds no state of training to resume"),
        (("--output", "a.gif"), "--output must end in .png or .svg, got 'a.gif'"),
        (("--phrase", "3 ñ"), "--phrase: the phrase '3 ñ' holds 'ñ', which no phrase has"),
        (("--phrase", ""), "--phrase: the phrase '' is empty"),
        (("--steps", "0"), "--steps must be a positive integer"),
        (("--seed", "-1"), "--seed must be an integer from 0 on"),
        (("--seed", "1" * 19), "--seed must have at most 18 digits, got '1"),
        (("--output", "same.svg", "--json", "same.svg"), "--output and --json both write to same.svg"),
        (("--json", ""), "--json '' is no name of a file"),
        (("--checkpoint", ""), "--checkpoint must be the name of a file, got ''"),
        (("--checkpoint", "."), "--checkpoint must be the name of a file, got '.'"),
        (("--checkpoint", "runs/"), "--checkpoint must be the name of a file, got 'runs/'"),
        (("--checkpoint", ".safetensors"), "--checkpoint must be the name of a file, got '.safetensors'"),
    ],
)
def test_bad_options_are_told(refusal, tiny, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in refusal("train", "dates", "--quick", *words)


def test_a_checkpoint_is_neither_trained_over_nor_misread(refusal, call, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call("train", "dates", "--quick", "--checkpoint", "run")
    words = ("train", "dates", "--checkpoint", "run")
    assert "--checkpoint 'run' holds a run; go on with --resume" in refusal(*words, "--quick")
    assert "was made with steps 12, and this run has steps 13" in refusal(*words, "--quick", "--steps", 13, "--resume")
    assert "--quick, --steps and --seed are in it" in refusal(*words, "--quick", "--phrase", "3 May 1997")
    whole = (tmp_path / "run.safetensors").read_bytes()
    (tmp_path / "run.safetensors").write_bytes(whole[:-1])
    assert refusal(*words, "--phrase", "3 May 1997").startswith("--checkpoint: 'run.safetensors' is damaged")
    assert "is damaged" in refusal(*words, "--quick", "--resume")


def test_an_interrupt_keeps_the_state_and_says_so(call, tiny, tmp_path, monkeypatch):
    name, own, calls = tmp_path / "run", module.value_and_grad, []

    def interrupted(f):
        slope = own(f)

        def step(*given):
            calls.append(given)
            if len(calls) == 5:
                raise KeyboardInterrupt
            return slope(*given)

        return step

    monkeypatch.setattr(module, "value_and_grad", interrupted)
    words = ("train", "dates", "--quick", "--json", "-", "--checkpoint", name)
    result = call(*words)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "factorattn: interrupted; to go on, give the same options and --resume\n"
    assert read_checkpoint(name)[2] == 4
    assert json.loads(call(*words, "--resume").stdout)["losses"] == list(run(TINY).losses)


def test_an_interrupt_behind_the_training_tells_of_the_state_too(call, tiny, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("factorattn.experiment.dates.model.read_dates", interrupted)
    result = call("train", "dates", "--quick", "--checkpoint", tmp_path / "run", "--phrase", "3 May 1997")
    assert result.stderr == "factorattn: interrupted; to go on, give the same options and --resume\n"
    assert read_checkpoint(tmp_path / "run")[2] == 12
    reading = call("train", "dates", "--checkpoint", tmp_path / "run", "--phrase", "3 May 1997")
    assert (reading.exit_code, reading.stderr) == (130, "factorattn: interrupted; nothing was written\n")


def test_an_interrupt_before_the_first_step_promises_nothing(call, tiny, tmp_path, monkeypatch):
    def interrupted(f):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "value_and_grad", interrupted)
    result = call("train", "dates", "--quick", "--checkpoint", tmp_path / "run")
    assert (result.exit_code, result.stderr) == (130, "factorattn: interrupted; nothing was written\n")


def test_the_name_of_a_checkpoint_may_have_its_suffix(call, refusal, tiny, tmp_path):
    call("train", "dates", "--quick", "--checkpoint", tmp_path / "run.safetensors")
    assert {path.name for path in tmp_path.iterdir()} == {"run.safetensors"}
    name = tmp_path / "run"
    for given in (name, f"{name}.safetensors"):
        assert "12 of 12 steps" in call("train", "dates", "--checkpoint", given, "--phrase", "3 May 1997").stdout
    (tmp_path / "other.previous.safetensors").mkdir()
    assert "is a folder; give another name" in refusal("train", "dates", "--checkpoint", tmp_path / "other")


def test_the_loss_of_few_steps_is_their_mean(call, tiny):
    out = call("train", "dates", "--quick", "--steps", 2).stdout
    losses = run(replace(TINY, steps=2)).losses
    assert f"loss {sum(losses) / 2:.3g}" in out.replace("0\n", "\n")


@pytest.mark.slow
def test_a_signal_keeps_the_state_of_a_real_run(tmp_path):
    name = tmp_path / "run"
    command = [sys.executable, "-m", "factorattn", "train", "dates", "--steps", "5000", "--checkpoint", str(name)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    process = subprocess.Popen(command, **pipes, preexec_fn=heed_interrupts)
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run.safetensors").exists():  # the first steps
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert told.splitlines()[-1] == "factorattn: interrupted; to go on, give the same options and --resume"
    assert out == ""
    plan, _, done = read_checkpoint(name)
    assert plan.steps == 5000
    assert 0 < done < 5000


def test_the_heads_that_are_drawn_are_eight():
    assert Plan().sizes.heads == 8
