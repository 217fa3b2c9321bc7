"""The error function differentiated: erf'(x) = 2 / sqrt(pi) exp(-x^2) = -erfc'(x)."""

import math

from factorattn.interpret.gradient import with_rule
from factorattn.interpret.gradient_spare import spare
from factorattn.primitives import erf as forward

__all__ = ["erf", "erfc"]


@with_rule
def erf(xp, x, /):
    """See `factorattn.primitives.erf.erf`; arrays that are differentiated only."""
    return forward.erf(x), _by_bell(x, 2.0 / math.sqrt(math.pi))


@with_rule
def erfc(xp, x, /):
    """See `factorattn.primitives.erf.erfc`; arrays that are differentiated only."""
    return forward.erfc(x), _by_bell(x, -2.0 / math.sqrt(math.pi))


def _by_bell(x, height):
    return (lambda g, xp: g * spare(height * xp.exp(-(x * x)), g, xp=xp),)
