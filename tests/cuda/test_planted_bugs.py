"""The tests of the kernels, tested: bugs planted into the CUDA source must be noticed, each where we say it is."""

import json
from typing import NamedTuple

import pytest
import sanitizers

pytestmark = pytest.mark.slow


class Bug(NamedTuple):
    """An edit of the source, the build that notices it, and what is then seen."""

    old: str
    new: str
    build: str
    seen: str


BUGS = {
    "values overwrite keys that are still read": Bug(
        "__syncthreads();  // the keys have been used", "", "thread", "data race"
    ),
    "keys overwrite values that are still read": Bug(
        "__syncthreads();  // the last tile's values have been used", "", "thread", "data race"
    ),
    "keys are read before they are staged": Bug("__syncthreads();\n        float s[", "float s[", "plain", "wrong"),
    "rows beyond n are written": Bug("if (row >= rows) continue;", "", "address", "AddressSanitizer"),
    "one key beyond m is read": Bug("if (row < count) {", "if (row <= count) {", "address", "AddressSanitizer"),
    "the band is one too wide": Bug("column - row <= hi;", "column - row <= hi + 1;", "plain", "wrong"),
    "earlier tiles are not rescaled": Bug("acc[i][c] *= fade;", "", "plain", "wrong"),
    "a shuffle of the maximum is lost": Bug(
        "for (int step = LANES / 2; step; step /= 2) x = fmaxf",
        "for (int step = LANES / 4; step; step /= 2) x = fmaxf",
        "plain",
        "wrong",
    ),
    "a NaN is multiplied by the weight of an unseen pair": Bug("if (ODD && ", "if (false && ", "plain", "wrong"),
    "some threads leave before the last barrier": Bug(
        "float acc[ROWS_EACH]", "if (group * ROWS_EACH >= rows) return;\n    float acc[ROWS_EACH]", "plain", "deadlock"
    ),
    "shared memory is too small by a row": Bug(
        "kv(q + ROWS * HEAD)", "kv(q + (ROWS + 1) * HEAD)", "plain", "written past the end of shared memory"
    ),
    "packs are moved from odd addresses": Bug(
        "reinterpret_cast<unsigned long long>(x) % 16 == 0;", "true;", "address", "misaligned"
    ),
}
STATUS = {0: "nothing", 3: "wrong"}


def noticed(bug, order=0):
    done = sanitizers.run(bug.build, "tests/cuda/planted.py", str(order), json.dumps([[bug.old, bug.new]]))
    return STATUS.get(done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_noticed(name):
    bug = BUGS[name]
    if why := sanitizers.missing(bug.build):
        pytest.skip(why)
    assert bug.seen in noticed(bug)


@pytest.mark.parametrize("build", sanitizers.FLAGS)
def test_nothing_is_noticed_where_nothing_was_planted(build):
    if why := sanitizers.missing(build):
        pytest.skip(why)
    assert noticed(Bug("", "", build, "")) == "nothing"
