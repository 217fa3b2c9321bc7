"""Lu et al. 2016, section "Co-Attention", parallel: with the paper's columns v_n of V and q_t of Q."""

import math


def parallel_co_attention(v, q, w_b, w_v, w_q, w_hv, w_hq, *, v_there=None, q_there=None):
    """Lists v (n, d), q (m, d), w_b (d, d), w_v and w_q (k, d), w_hv and w_hq (k); returns [v hat, q hat]."""
    regions = [x for i, x in enumerate(v) if v_there is None or v_there[i]]
    words = [x for t, x in enumerate(q) if q_there is None or q_there[t]]
    d, k = len(w_b), len(w_hv)

    def affinity(t, i):  # C_ti = tanh(q_t^T W_b v_i)
        return math.tanh(math.fsum(words[t][x] * w_b[x][y] * regions[i][y] for x in range(d) for y in range(d)))

    def layer(w, x):
        return [math.fsum(w[h][f] * x[f] for f in range(d)) for h in range(k)]

    sent_v, sent_q = [layer(w_v, x) for x in regions], [layer(w_q, x) for x in words]
    c = [[affinity(t, i) for i in range(len(regions))] for t in range(len(words))]
    h_v = [
        [math.tanh(sent_v[i][h] + math.fsum(sent_q[t][h] * c[t][i] for t in range(len(words)))) for h in range(k)]
        for i in range(len(regions))
    ]
    h_q = [
        [math.tanh(sent_q[t][h] + math.fsum(sent_v[i][h] * c[t][i] for i in range(len(regions)))) for h in range(k)]
        for t in range(len(words))
    ]

    def attended(scores, rows):
        weights = [math.exp(math.fsum(a * b for a, b in zip(w, h, strict=True))) for w, h in scores]
        total = math.fsum(weights)
        return [math.fsum(p * row[f] for p, row in zip(weights, rows, strict=True)) / (total or 1.0) for f in range(d)]

    return [attended([(w_hv, h) for h in h_v], regions), attended([(w_hq, h) for h in h_q], words)]
