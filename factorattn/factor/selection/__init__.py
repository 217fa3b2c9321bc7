"""A matrix by its own rows and columns."""

from factorattn.factor.selection.cur import cur
from factorattn.factor.selection.interpolative import interpolative
from factorattn.factor.selection.nystrom import nystrom
from factorattn.factor.selection.qr import qr
from factorattn.factor.selection.rpcholesky import rpcholesky
from factorattn.factor.selection.rrqr import rrqr

__all__ = ["cur", "interpolative", "nystrom", "qr", "rpcholesky", "rrqr"]
