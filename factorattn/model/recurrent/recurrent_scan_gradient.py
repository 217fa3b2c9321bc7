"""The loop of the recurrent network swept back in closed form: a product a time, and one for the gradient of U.

    da_t = dh_t * f'_t,   dh_(t-1) = da_t U^T + dh_(t-1),   dU = sum_t h_(t-1)^T da_t

Slopes f' are known from h = f(a): 1 - h^2 of tanh, h (1 - h) of the sigmoid.
"""

from factorattn.factor.factored import Factored
from factorattn.interpret.gradient import with_rule
from factorattn.interpret.gradient_array import has_levels
from factorattn.primitives.dispatch import Unsupported
from factorattn.score.engine import activation_of

__all__ = ["recurrent_scan"]

SLOPES = {
    "tanh": lambda h, *, xp: 1.0 - h * h,
    "relu": lambda h, *, xp: xp.astype(h > 0, h.dtype),
    "sigmoid": lambda h, *, xp: h * (1.0 - h),
    "identity": lambda h, *, xp: xp.ones_like(h),
}


def recurrent_scan(a, h, u, mask=None, *, activation="tanh"):
    """See `factorattn.model.recurrent.recurrent_scan`; arrays that are differentiated only."""
    if isinstance(u, Factored):
        raise Unsupported("the matrix between states is factored")
    if a.shape[1] == 0:
        raise Unsupported("there is no time")
    return _scan(a, h, u, mask, activation=activation)


@with_rule
def _scan(xp, a, h, u, mask, /, *, activation):
    f = activation_of(activation, xp=xp)
    seen = None if mask is None else xp.unstack(mask[..., None], axis=1)
    past, outputs = [], []
    for t, now in enumerate(xp.unstack(a, axis=1)):
        past.append(h)
        new = f(now + h @ u)
        h = new if seen is None else xp.where(seen[t], new, h)
        outputs.append(h)
    past, made = xp.stack(past, axis=0), xp.stack(outputs, axis=0)

    def pull(g, xp):
        lifted = xp.constant if has_levels(xp) else lambda x: x
        arrays = (x if x is None else lifted(x) for x in (past, made, u, mask))
        return [*_swept(*g, *arrays, slope=SLOPES[activation], xp=xp), None]

    return (xp.stack(outputs, axis=1), h), pull


def _swept(dhs, dh, past, made, u, mask, *, slope, xp):
    """The cotangents of a, h and u; what was kept of all times has time for its first axis."""
    n, rows, hidden = past.shape
    slopes, waits, back = slope(made, xp=xp), None, u.mT
    if mask is not None:  # where it is False, dh goes back as it is
        seen = mask.mT[..., None]
        slopes, waits = xp.where(seen, slopes, 0.0), xp.unstack(xp.astype(~seen, past.dtype), axis=0)
    slopes, dhs, found = xp.unstack(slopes, axis=0), xp.unstack(dhs, axis=1), []
    for t in reversed(range(n)):
        dh = dh + dhs[t]
        da = dh * slopes[t]
        dh = da @ back if waits is None else da @ back + waits[t] * dh
        found.append(da)
    da = xp.stack(found[::-1], axis=0)  # (n, rows, hidden)
    du = xp.reshape(past, (n * rows, hidden)).mT @ xp.reshape(da, (n * rows, hidden))
    return xp.permute_dims(da, (1, 0, 2)), dh, du
