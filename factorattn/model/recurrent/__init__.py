"""Recurrent networks: a state that goes along a sequence, one step at a time.

`recurrent`, `lstm` and `gru` are networks: ``network(parameters, x, state, mask=mask)`` returns outputs, and the state
to go on from; `stacked` and `bidirectional` make networks of networks. `transducer`, `reader`, `teacher_forcing`,
`free_running` and `vector_to_sequence` put something out; `output_recurrent` is a network whose outputs are its state.
"""

from factorattn.model.recurrent.bidirectional import bidirectional
from factorattn.model.recurrent.drawing import (
    bidirectional_parameters,
    gru_parameters,
    lstm_parameters,
    output_parameters,
    output_recurrent_parameters,
    recurrent_parameters,
    stacked_parameters,
)
from factorattn.model.recurrent.gru import gru, gru_step
from factorattn.model.recurrent.jacobians import (
    jacobian_bound,
    jacobian_products,
    spectral_radius,
    step_jacobians,
)
from factorattn.model.recurrent.lstm import lstm, lstm_step
from factorattn.model.recurrent.output_recurrent import output_recurrent
from factorattn.model.recurrent.reader import reader
from factorattn.model.recurrent.recurrent import recurrent, recurrent_step
from factorattn.model.recurrent.stacked import stacked, stacked_step
from factorattn.model.recurrent.state import hidden_of
from factorattn.model.recurrent.teacher import free_running, teacher_forcing
from factorattn.model.recurrent.transducer import transducer
from factorattn.model.recurrent.truncated import truncated
from factorattn.model.recurrent.vector_to_sequence import vector_to_sequence

__all__ = [
    "bidirectional",
    "bidirectional_parameters",
    "free_running",
    "gru",
    "gru_parameters",
    "gru_step",
    "hidden_of",
    "jacobian_bound",
    "jacobian_products",
    "lstm",
    "lstm_parameters",
    "lstm_step",
    "output_parameters",
    "output_recurrent",
    "output_recurrent_parameters",
    "reader",
    "recurrent",
    "recurrent_parameters",
    "recurrent_step",
    "spectral_radius",
    "stacked",
    "stacked_parameters",
    "stacked_step",
    "step_jacobians",
    "teacher_forcing",
    "transducer",
    "truncated",
    "vector_to_sequence",
]
