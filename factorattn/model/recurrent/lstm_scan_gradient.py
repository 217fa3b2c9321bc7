"""The loop of the LSTM swept back in closed form: a few products a time, and one for the gradient of U.

    dc_t = dc_t + dh_t * o * (1 - tanh(c_t)^2)
    da_t = (dc_t * g * i', dc_t * c_(t-1) * f', dc_t * i * g', dh_t * tanh(c_t) * o')
    dh_(t-1) = da_t U^T + dh_(t-1),   dc_(t-1) = dc_t * f,   dU = sum_t h_(t-1)^T da_t

Of the way forward the gates, the cells and h are kept; factors that do not wait for dh and dc are made for all times at
once. Slopes of gates are s^2 - (y - t)^2 for y = s tanh(s a) + t.
"""

from factorattn.factor.factored import Factored
from factorattn.interpret.gradient import with_rule
from factorattn.interpret.gradient_array import has_levels
from factorattn.model.recurrent.lstm_scan import gates_of, lstm_cell
from factorattn.primitives.dispatch import Unsupported

__all__ = ["lstm_scan"]


def lstm_scan(a, h, cell, u, mask=None):
    """See `factorattn.model.recurrent.lstm_scan`; arrays that are differentiated only."""
    if isinstance(u, Factored):
        raise Unsupported("the matrix between states is factored")
    if a.shape[1] == 0:
        raise Unsupported("there is no time")
    return _scan(a, h, cell, u, mask)


@with_rule
def _scan(xp, a, h, cell, u, mask, /):
    scale, shift = gates_of(a, xp=xp)
    seen = None if mask is None else xp.unstack(mask[..., None], axis=1)
    kept, outputs = [], []
    for t, now in enumerate(xp.unstack(a, axis=1)):
        new, held, y, bent = lstm_cell(now + h @ u, cell, scale, shift, xp=xp)
        kept.append((y, bent, cell, h))
        h = new if seen is None else xp.where(seen[t], new, h)
        cell = held if seen is None else xp.where(seen[t], held, cell)
        outputs.append(h)
    kept = [xp.stack(parts, axis=0) for parts in zip(*kept, strict=True)]

    def pull(g, xp):
        lifted = xp.constant if has_levels(xp) else lambda x: x
        arrays = (x if x is None else lifted(x) for x in (*kept, u, mask, scale, shift))
        return [*_swept(*g, *arrays, xp=xp), None]

    return (xp.stack(outputs, axis=1), h, cell), pull


def _swept(dhs, dh, dc, y, bent, before, past, u, mask, scale, shift, *, xp):
    """The cotangents of a, h, the cell and u; what was kept of all times has time for its first axis."""
    n, rows, hidden = bent.shape
    slope = scale**2 - (y - shift) ** 2
    (i, f, g, o), (di, df, dg, do) = (xp.unstack(xp.reshape(x, (n, rows, 4, hidden)), axis=2) for x in (y, slope))
    to_gates = xp.stack([g * di, before * df, i * dg], axis=2)  # of dc, (n, rows, 3, hidden)
    to_o, to_cell, back = bent * do, o * (1.0 - bent * bent), u.mT  # of dh
    waits = None
    if mask is not None:  # where it is False, dh and dc go back as they are
        seen = mask.mT[..., None]
        to_gates = xp.where(seen[..., None], to_gates, 0.0)
        to_o, to_cell, f = xp.where(seen, to_o, 0.0), xp.where(seen, to_cell, 0.0), xp.where(seen, f, 1.0)
        waits = xp.unstack(xp.astype(~seen, bent.dtype), axis=0)
    dhs = xp.unstack(dhs, axis=1)
    to_gates, to_o, to_cell, f = (xp.unstack(x, axis=0) for x in (to_gates, to_o, to_cell, f))
    found = []
    for t in reversed(range(n)):
        dh = dh + dhs[t]
        dc = dc + dh * to_cell[t]
        da = xp.concat([xp.reshape(dc[:, None, :] * to_gates[t], (rows, 3 * hidden)), dh * to_o[t]], axis=-1)
        dh = da @ back if waits is None else da @ back + waits[t] * dh
        dc = dc * f[t]
        found.append(da)
    da = xp.stack(found[::-1], axis=0)  # (n, rows, 4 hidden)
    du = xp.reshape(past, (n * rows, hidden)).mT @ xp.reshape(da, (n * rows, 4 * hidden))
    return xp.permute_dims(da, (1, 0, 2)), dh, dc, du
