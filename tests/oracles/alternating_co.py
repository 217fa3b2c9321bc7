"""Lu et al. 2016, section "Co-Attention", alternating: the operation x hat = A(X; g) three times."""

import math


def attend(rows, g, w_x, w_g, w_hx):
    """H = tanh(W_x X + (W_g g) 1^T), a = softmax(w_hx^T H), x hat = sum a_i x_i, for X with columns `rows`."""
    d, k, weights = len(w_x[0]), len(w_hx), []
    for x in rows:
        hidden = [
            math.tanh(math.fsum(w_x[h][f] * x[f] for f in range(d)) + math.fsum(w_g[h][f] * g[f] for f in range(d)))
            for h in range(k)
        ]
        weights.append(math.exp(math.fsum(w_hx[h] * hidden[h] for h in range(k))))
    total = math.fsum(weights)
    return [math.fsum(a * x[f] for a, x in zip(weights, rows, strict=True)) / (total or 1.0) for f in range(d)]


def alternating_co_attention(v, q, w_v, w_gv, w_hv, w_q, w_gq, w_hq, w_s, w_hs, *, v_there=None, q_there=None):
    """Lists v (n, d), q (m, d), layers (k, d), scoring vectors (k); returns [v hat, q hat]."""
    regions = [x for i, x in enumerate(v) if v_there is None or v_there[i]]
    words = [x for t, x in enumerate(q) if q_there is None or q_there[t]]
    s_hat = attend(words, [0.0] * len(w_s[0]), w_s, w_s, w_hs)  # g is 0: whatever W_g is
    v_hat = attend(regions, s_hat, w_v, w_gv, w_hv)
    return [v_hat, attend(words, v_hat, w_q, w_gq, w_hq)]
