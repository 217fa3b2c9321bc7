"""The error function of torch."""

import torch

__all__ = ["erf", "erfc"]


def erf(x, /):
    """See `factorattn.primitives.erf.erf`; torch tensors."""
    return torch.special.erf(x)


def erfc(x, /):
    """See `factorattn.primitives.erf.erfc`; torch tensors."""
    return torch.special.erfc(x)
