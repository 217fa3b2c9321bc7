"""Next-purchase modelling on the embedded CDNOW data: one model, many ways to attend."""

from factorattn.experiment.transactions.data import make_streams
from factorattn.experiment.transactions.plan import QUICK, Plan
from factorattn.experiment.transactions.study import Report, Row, study

__all__ = ["QUICK", "Plan", "Report", "Row", "make_streams", "study"]
