"""A trained encoder with another attention, or with factors for matrices: how far its vectors move.

seat      a mechanism in the place of attention, or why it cannot sit there
factors   matrices of an encoder replaced by factors
moved     two sets of vectors of the same texts, compared
study     all of it, row by row
"""

from factorattn.experiment.swap.factors import Choice, factored_encoder, matrices_of
from factorattn.experiment.swap.moved import Moved, moved
from factorattn.experiment.swap.seat import Misfit, seat
from factorattn.experiment.swap.study import Row, Study, study
from factorattn.experiment.swap.whole import encode_whole

__all__ = [
    "Choice",
    "Misfit",
    "Moved",
    "Row",
    "Study",
    "encode_whole",
    "factored_encoder",
    "matrices_of",
    "moved",
    "seat",
    "study",
]
