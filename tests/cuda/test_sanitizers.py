"""The kernels' tests once more, searched for addresses out of bounds and for races between threads of a block."""

import pytest
import sanitizers

pytestmark = pytest.mark.slow

TESTS = "tests/cuda/test_softmax_attend_cupy.py"
CHOSEN = "not 65535 and not order-reverse and not order-7 and not inf"


@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_the_kernels_pass_under_the_sanitizer(sanitizer):
    if why := sanitizers.missing(sanitizer):
        pytest.skip(why)
    done = sanitizers.run(sanitizer, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", CHOSEN, TESTS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout
