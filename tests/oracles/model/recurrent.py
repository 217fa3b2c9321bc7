"""Recurrent networks, number by number, from the papers' equations; sequences are lists of vectors.

Recurrent and output-recurrent: Goodfellow et al. 2016, equations 10.8 to 10.10 and figure 10.4. LSTM: Gers et al. 2000
without peepholes. GRU: Cho et al. 2014, equations 5 to 8. Bidirectional: Schuster and Paliwal 1997.
"""

import math


def sigmoid(a):
    return 1.0 / (1.0 + math.exp(-a)) if a >= 0 else math.exp(a) / (1.0 + math.exp(a))


ACTIVATIONS = {"tanh": math.tanh, "relu": lambda a: max(a, 0.0), "sigmoid": sigmoid, "identity": lambda a: a}


def dot(row, vector):
    return sum(a * b for a, b in zip(row, vector, strict=True))


def affine(layer, vector, rows=None):
    """W v + b, all rows or a slice of them."""
    weight = layer["weight"] if rows is None else layer["weight"][rows]
    bias = layer.get("bias") or [0.0] * len(layer["weight"])
    bias = bias if rows is None else bias[rows]
    return [dot(row, vector) + b for row, b in zip(weight, bias, strict=True)]


def recurrent_step(p, x, h, activation="tanh"):
    f = ACTIVATIONS[activation]
    return [f(a + b) for a, b in zip(affine(p["input"], x), affine(p["recurrent"], h), strict=True)]


def lstm_step(p, x, state):
    h, cell = state
    size = len(h)
    blocks = [slice(k * size, (k + 1) * size) for k in range(4)]
    i, f, g, o = (
        [a + b for a, b in zip(affine(p["input"], x, rows), affine(p["recurrent"], h, rows), strict=True)]
        for rows in blocks
    )
    new = [sigmoid(f[k]) * cell[k] + sigmoid(i[k]) * math.tanh(g[k]) for k in range(size)]
    return [sigmoid(o[k]) * math.tanh(new[k]) for k in range(size)], new


def gru_step(p, x, h, reset="before"):
    size = len(h)
    r, z, n = (affine(p["input"], x, slice(k * size, (k + 1) * size)) for k in range(3))
    r = [sigmoid(a + b) for a, b in zip(r, affine(p["recurrent"], h, slice(0, size)), strict=True)]
    z = [sigmoid(a + b) for a, b in zip(z, affine(p["recurrent"], h, slice(size, 2 * size)), strict=True)]
    if reset == "before":
        back = affine(p["candidate"], [r[k] * h[k] for k in range(size)])
    else:
        back = [r[k] * b for k, b in enumerate(affine(p["candidate"], h))]
    n = [math.tanh(a + b) for a, b in zip(n, back, strict=True)]
    return [z[k] * h[k] + (1 - z[k]) * n[k] for k in range(size)]


def sequence(step, xs, state, mask=None):
    """Hidden vectors at all times, and the last state; a time that is masked leaves the state as it was."""
    found = []
    for t, x in enumerate(xs):
        if mask is None or mask[t]:
            state = step(x, state)
        found.append(state[0] if isinstance(state, tuple) else state)
    return found, state


def bidirectional(forward, backward, xs, states, mask=None):
    """Both hidden vectors side by side, at all times; forward and backward are steps."""
    ahead, last = sequence(forward, xs, states[0], mask)
    back, first = sequence(backward, xs[::-1], states[1], None if mask is None else mask[::-1])
    return [a + b for a, b in zip(ahead, back[::-1], strict=True)], (last, first)


def output_recurrent(p, xs, before, targets=None, mask=None, emit=list):
    """Outputs at all times where the mask is True (None elsewhere), and what would go back next."""
    found = []
    for t, x in enumerate(xs):
        if mask is not None and not mask[t]:
            found.append(None)
            continue
        a = [u + v for u, v in zip(affine(p["input"], x), affine(p["feedback"], before), strict=True)]
        o = affine(p["output"], [math.tanh(b) for b in a])
        found.append(o)
        before = emit(o) if targets is None else targets[t]
    return found, before


def free_running(step, output, start, state, times, emit=list):
    """Outputs of a network that reads what it said."""
    found, x = [], start
    for _ in range(times):
        state = step(x, state)
        found.append(affine(output, state[0] if isinstance(state, tuple) else state))
        x = emit(found[-1])
    return found, state


def teacher_forcing(step, output, start, targets, state):
    """Outputs of a network that reads what it should have said."""
    found, x = [], start
    for target in targets:
        state = step(x, state)
        found.append(affine(output, state[0] if isinstance(state, tuple) else state))
        x = target
    return found, state
