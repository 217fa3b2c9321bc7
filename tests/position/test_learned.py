"""Facts about learned positions."""

import numpy as np
import pytest

from factorattn.position import learned


def test_a_position_is_a_row_of_the_table():
    e = np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_array_equal(learned(e), e)
    np.testing.assert_array_equal(learned(e, 1, offset=1), e[:, 1:2])
    np.testing.assert_array_equal(learned(e, offset=2), e[:, 2:])
    assert learned(e, 0, offset=3).shape == (2, 0, 2)


def test_steps_of_a_decoder_read_what_the_whole_does():
    e = np.random.default_rng(0).standard_normal((5, 4))
    steps = [learned(e, 1, offset=p) for p in range(5)]
    np.testing.assert_array_equal(np.concatenate(steps), learned(e))


@pytest.mark.parametrize(("length", "offset"), [(4, 0), (1, 3), (1, -1), (None, 4)])
def test_positions_that_the_table_lacks_are_refused(length, offset):
    with pytest.raises(ValueError, match=r"e holds positions 0 \.\. 2, asked for"):
        learned(np.ones((3, 2)), length, offset=offset)


def test_nonsense_is_refused_by_name():
    with pytest.raises(ValueError, match="length must be at least 0, got -1"):
        learned(np.ones((3, 2)), -1)
    with pytest.raises(TypeError, match="offset must be an integer"):
        learned(np.ones((3, 2)), offset=True)
    with pytest.raises(ValueError, match=r"e needs shape \(\.\.\., n, d\)"):
        learned(np.ones(3))
