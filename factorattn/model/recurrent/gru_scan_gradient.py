"""The loop of the GRU swept back in closed form: a few products a time, and one for the gradient of each matrix.

    dn = dh_t * (1 - z) * (1 - n^2),   dz = dh_t * (h_(t-1) - n) * z (1 - z)
    before   dp = dn U_n^T,   dr = dp * h_(t-1) * r (1 - r),   dh_(t-1) = dh_t * z + dp * r + (dr, dz) U^T
    after    dq = dn * r,     dr = dn * q * r (1 - r),         dh_(t-1) = dh_t * z + dq U_n^T + (dr, dz) U^T

Each of dn, dz, dr is that of what the function of its name is given. Factors that do not wait for dh are made for all
times at once.
"""

from factorattn.factor.factored import Factored
from factorattn.interpret.gradient import with_rule
from factorattn.interpret.gradient_array import has_levels
from factorattn.model.recurrent.gru_scan import gru_cell
from factorattn.primitives.dispatch import Unsupported

__all__ = ["gru_scan"]


def gru_scan(gates, new, h, u, u_n, b_n=None, mask=None, *, reset="before"):
    """See `factorattn.model.recurrent.gru_scan`; arrays that are differentiated only."""
    if isinstance(u, Factored) or isinstance(u_n, Factored):
        raise Unsupported("a matrix between states is factored")
    if gates.shape[1] == 0:
        raise Unsupported("there is no time")
    return _scan(gates, new, h, u, u_n, b_n, mask, reset=reset)


@with_rule
def _scan(xp, gates, new, h, u, u_n, b_n, mask, /, *, reset):
    def product(h):
        return h @ u_n if b_n is None else h @ u_n + b_n

    seen = None if mask is None else xp.unstack(mask[..., None], axis=1)
    kept, outputs = [], []
    for t, (one, other) in enumerate(zip(xp.unstack(gates, axis=1), xp.unstack(new, axis=1), strict=True)):
        made, y, n, q = gru_cell(one + h @ u, other, h, product, reset=reset, xp=xp)
        kept.append((y, n, h) if reset == "before" else (y, n, h, q))
        h = made if seen is None else xp.where(seen[t], made, h)
        outputs.append(h)
    kept = [xp.stack(parts, axis=0) for parts in zip(*kept, strict=True)]

    def pull(g, xp):
        lifted = xp.constant if has_levels(xp) else lambda x: x
        arrays = [x if x is None else lifted(x) for x in (u, u_n, mask, *kept)]
        *found, db_n = _swept(*g, *arrays, xp=xp)
        return [*found, None if b_n is None else db_n, None]

    return (xp.stack(outputs, axis=1), h), pull


def _swept(dhs, dh, u, u_n, mask, y, n, past, q=None, *, xp):
    """The cotangents of the arguments but the mask; what was kept of all times has time for its first axis."""
    times, rows, hidden = n.shape
    r, z = xp.unstack(xp.reshape(y, (times, rows, 2, hidden)), axis=2)
    slope = r * (1.0 - r)
    to_n, to_z = (1.0 - z) * (1.0 - n * n), (past - n) * z * (1.0 - z)  # of dh
    to_r = slope * (past if q is None else q)  # of dp, or of dn
    if mask is not None:  # where it is False, dh goes back as it is
        seen = mask.mT[..., None]
        to_n, to_z, to_r, r = (xp.where(seen, x, 0.0) for x in (to_n, to_z, to_r, r))
        z = xp.where(seen, z, 1.0)
    back, back_n = u.mT, u_n.mT
    dhs = xp.unstack(dhs, axis=1)
    at_n, at_z, at_r, at_reset, at_update = (xp.unstack(x, axis=0) for x in (to_n, to_z, to_r, r, z))
    gates, candidates = [], []
    for t in reversed(range(times)):
        dh = dh + dhs[t]
        dn = dh * at_n[t]
        through = (dn if q is None else dn * at_reset[t]) @ back_n
        dr = (through if q is None else dn) * at_r[t]
        drz = xp.concat([dr, dh * at_z[t]], axis=-1)
        dh = dh * at_update[t] + (through * at_reset[t] if q is None else through) + drz @ back
        gates.append(drz)
        candidates.append(dn)
    drz, dn = xp.stack(gates[::-1], axis=0), xp.stack(candidates[::-1], axis=0)  # (times, rows, sizes)
    flat = times * rows
    given, dq = (r * past, dn) if q is None else (past, dn * r)  # what U_n multiplies, and its cotangent
    du = xp.reshape(past, (flat, hidden)).mT @ xp.reshape(drz, (flat, 2 * hidden))
    du_n = xp.reshape(given, (flat, hidden)).mT @ xp.reshape(dq, (flat, hidden))
    drz, dn = (xp.permute_dims(x, (1, 0, 2)) for x in (drz, dn))
    return drz, dn, dh, du, du_n, xp.sum(dq, axis=(0, 1))
