"""Every way to tell positions against central differences, by all of its arrays, with each of its options."""

import numpy as np
import pytest
from libraries import LIBRARIES
from oracles import agree

from factorattn.contract import sample
from factorattn.interpret.gradient import vjp
from factorattn.position import POSITIONS
from factorattn.testing import FEW
from factorattn.testing.differences import check_gradients

ODD = {"shaw_relative": {"r": 7}, "shaw_values": {"r": 7}}
OPTIONS = [(name, {}) for name in POSITIONS if name != "t5_buckets"]  # buckets are integers
OPTIONS += [
    ("axial", {"combine": "sum"}),
    ("convolutional", {"causal": True}),
    ("kerple", {"kernel": "power"}),
    ("music_relative", {"form": "gather"}),
    ("rotary", {"layout": "halves"}),
    ("rotary", {"offset": 3, "size": 2}),
    ("shaw_relative", {"form": "gather"}),
    ("shaw_values", {"form": "gather"}),
    ("t5_bias", {"bidirectional": False}),
    ("transformer_xl_bias", {"form": "gather", "bidirectional": True}),
]
