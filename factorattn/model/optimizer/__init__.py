"""Optimizers: pure functions ``parameters, state = f(parameters, gradients, state, rate=...)`` of trees of arrays.

`sgd` begins with `sgd_init`; `adam`, `adamw` and `radam` with `adam_init`. Rates by step are in
`factorattn.model.schedule`.
"""

from factorattn.model.optimizer.adam import adam
from factorattn.model.optimizer.adamw import adamw
from factorattn.model.optimizer.clipping import clip_by_global_norm, clip_by_value, global_norm
from factorattn.model.optimizer.moments import adam_init
from factorattn.model.optimizer.radam import radam, rectification
from factorattn.model.optimizer.sgd import sgd, sgd_init

__all__ = [
    "adam",
    "adam_init",
    "adamw",
    "clip_by_global_norm",
    "clip_by_value",
    "global_norm",
    "radam",
    "rectification",
    "sgd",
    "sgd_init",
]
