"""Standard output of any width and encoding, and one that cannot be written."""

import os
import re
import subprocess
import sys

import pytest

from factorattn.cli.screen import UNBOUNDED

SMALL = ("compare", "--n", "32", "--kernels", "off", "--only", "softmax,linear,longformer")


@pytest.fixture
def at(call, monkeypatch):
    """The lines of a command's output where there is room for so many letters."""

    def lines(width, *words):
        monkeypatch.setattr("factorattn.cli.screen.UNBOUNDED", width)
        return call(*words).stdout.splitlines()

    return lines


def run(*words, stdout=subprocess.PIPE, **environment):
    command = [sys.executable, "-m", "factorattn", *words]
    return subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, env=os.environ | environment, timeout=60, check=False
    )


@pytest.mark.parametrize("width", [20, 60, 80, 100, 140, UNBOUNDED])
def test_names_and_figures_are_never_cut(at, width):
    lines = at(width, *SMALL)
    titles, table = lines[0], lines[2 : next(i for i, line in enumerate(lines) if line.startswith("input"))]
    assert all(title in titles.split() for title in ("mechanism", "ms", "error"))
    names = [re.split("  +", line)[0] for line in table if line]
    full = [f"softmax_attention ({form})" for form in ("dense", "online")]
    full += ["linear_attention", "longformer_attention"]
    assert sorted(names) in (sorted(full), sorted(name.replace("_attention", "") for name in full))
    assert not re.search("…|\\.\\.\\.", "".join(lines))
    assert all(len(re.split("  +", line)) == len(re.split("  +", titles)) for line in table if line)
    assert width < 60 or max(map(len, lines)) <= width


def test_columns_go_whole_and_are_named_in_a_note(at):
    text = " ".join(" ".join(at(60, *SMALL)).split())
    told = re.search("left out for want of width: (.*?); a wider terminal or --csv shows", text)[1]
    assert {"declared time", "quartiles", "weights"} <= set(told.split(", "))
    assert "want of width" not in " ".join(at(UNBOUNDED, *SMALL))


def test_the_list_loses_forms_first_and_then_memory_and_time(at):
    def titles(width):
        return at(width, "list")[0].split()

    every = ["family", "mechanism", "approximates", "time", "memory", "causal", "forms"]
    widths = range(UNBOUNDED, 60, -5)
    seen = list(dict.fromkeys(tuple(title for title in every if title not in titles(width)) for width in widths))
    left = ["forms", "memory", "time"]
    assert seen == [tuple(title for title in every if title in left[:gone]) for gone in range(len(left) + 1)]
    assert "time, memory, forms left out" in " ".join(at(65, "list"))


@pytest.mark.parametrize("words", [("list",), SMALL, ("show", "softmax"), ("cost", "softmax")])
def test_lines_end_without_blanks(call, words):
    assert not re.search(" $", call(*words).stdout, re.MULTILINE)


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
@pytest.mark.parametrize(("environment", "bold"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_that_wants_no_colour_gets_no_escapes(environment, bold):
    import pty

    master, slave = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": "100", "NO_COLOR": ""} | environment
    process = run("cost", "softmax", stdout=slave, **environment)
    os.close(slave)
    assert process.returncode == 0
    assert (b"\x1b" in os.read(master, 1 << 16)) == bold
    os.close(master)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("words", [("list",), SMALL])
def test_any_encoding_will_do(encoding, words):
    process = run(*words, PYTHONIOENCODING=encoding)
    assert (process.returncode, process.stderr) == (0, b"")
    out = process.stdout.decode(encoding)
    assert "linear_attention" in out
    assert "?" not in out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")
@pytest.mark.parametrize(
    "words", [("list",), ("show", "softmax"), ("cost", "softmax", "--json"), ("--help",), ("cost", "--help")]
)
def test_a_full_disk_is_told_in_one_line(words):
    with open("/dev/full", "w") as full:
        process = run(*words, stdout=full)
    assert process.returncode == 2
    assert process.stderr == b"factorattn: error: stdout cannot be written: No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")
def test_a_result_that_finds_no_room_is_told_in_one_line(refusal):
    told = refusal(*SMALL, "--json", "/dev/full")
    assert told == "--json '/dev/full' cannot be written: No space left on device"


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize("words", [("list",), ("cost", "softmax", "--json"), ("--help",)])
def test_a_reader_that_goes_away_is_no_error(words):
    reading, writing = os.pipe()
    os.close(reading)
    process = run(*words, stdout=writing)
    os.close(writing)
    assert process.stderr == b""
