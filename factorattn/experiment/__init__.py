"""Models trained on data that is here: runs that can be stopped and resumed, and what they report."""

from factorattn.experiment.loop import Data, Shuffled, State, begin, train
from factorattn.experiment.resume import ResumeError, has_state, read_state, write_state

__all__ = ["Data", "ResumeError", "Shuffled", "State", "begin", "has_state", "read_state", "train", "write_state"]
