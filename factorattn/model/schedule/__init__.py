"""Learning rates by step: pure functions of the number of the step, which begins at 1.

`noam` is a rate; the others are shares of one, between 0 and 1, which multiply each other and the full rate.
"""

from factorattn.model.schedule.exponential import exponential
from factorattn.model.schedule.inverse_sqrt import inverse_sqrt
from factorattn.model.schedule.linear import linear
from factorattn.model.schedule.noam import noam
from factorattn.model.schedule.untuned_exponential import untuned_exponential
from factorattn.model.schedule.untuned_linear import untuned_linear

__all__ = ["exponential", "inverse_sqrt", "linear", "noam", "untuned_exponential", "untuned_linear"]
