"""Ways to tell positions, from the equations of their papers, one number at a time."""

import math


def sinusoidal(n, d, *, offset=0, base=10000.0, layout="interleaved"):
    """Vaswani et al. 2017, section 3.5; "tensor2tensor" is that library's code. Returns (n, d)."""
    rows = []
    for position in range(offset, offset + n):
        if layout == "tensor2tensor":
            half = d // 2
            rates = [base ** (-i / max(half - 1, 1)) for i in range(half)]
            row = [math.sin(position * rate) for rate in rates] + [math.cos(position * rate) for rate in rates]
            rows.append(row + [0.0] * (d % 2))
            continue
        sines = [math.sin(position / base ** (2 * i / d)) for i in range((d + 1) // 2)]
        cosines = [math.cos(position / base ** (2 * i / d)) for i in range(d // 2)]
        if layout == "halves":
            rows.append(sines + cosines)
        else:
            rows.append([(sines if c % 2 == 0 else cosines)[c // 2] for c in range(d)])
    return rows


def axial(e_1, e_2, length, *, offset=0, combine="concat"):
    """Kitaev et al. 2020 (their trax code): position p is in row p // y and column p % y of a grid."""
    y, out = len(e_2), []
    for p in range(offset, offset + length):
        a, b = e_1[p // y], e_2[p % y]
        out.append(a + b if combine == "concat" else [s + t for s, t in zip(a, b, strict=True)])
    return out


def convolutional(x, e, w_a, w_b, b_a=None, b_b=None, *, causal=False):
    """Gehring et al. 2017, sections 3.1 and 3.2: h = x + e, then GLU(W [h_i-k/2 ... h_i+k/2] + b) + h_i."""
    n, c, k = len(x), len(x[0]), len(w_a)
    h = [[x[i][t] + e[i][t] for t in range(c)] for i in range(n)]
    first = -(k - 1) if causal else -(k // 2)

    def pre(w, b, i, out):
        total = 0.0 if b is None else b[out]
        for tap in range(k):
            j = i + first + tap
            if 0 <= j < n:
                total += sum(w[tap][s][out] * h[j][s] for s in range(c))
        return total

    return [[pre(w_a, b_a, i, t) / (1 + math.exp(-pre(w_b, b_b, i, t))) + h[i][t] for t in range(c)] for i in range(n)]


def rotary(x, *, offset=0, base=10000.0, size=None, layout="interleaved", positions=None):
    """Su et al. 2021, section 3.2: pair i of the features at position p is turned by the angle p base^(-2 i / size)."""
    out = []
    for row, vector in enumerate(x):
        p = row + offset if positions is None else positions[row]
        turned = list(vector)
        pairs = (len(vector) if size is None else size) // 2
        for i in range(pairs):
            angle = p * base ** (-2 * i / (2 * pairs))
            a, b = (2 * i, 2 * i + 1) if layout == "interleaved" else (i, i + pairs)
            turned[a] = vector[a] * math.cos(angle) - vector[b] * math.sin(angle)
            turned[b] = vector[a] * math.sin(angle) + vector[b] * math.cos(angle)
        out.append(turned)
    return out


def alibi_slopes(h, *, rule="powers"):
    """Press et al. 2022, section 3, and for "powers" their code where h is no power of two."""
    geometric = lambda heads: [2.0 ** (-8 * i / heads) for i in range(1, heads + 1)]  # noqa: E731
    if rule == "geometric":
        return geometric(h)
    power = 1
    while 2 * power <= h:
        power *= 2
    return geometric(power) + geometric(2 * power)[0::2][: h - power]


def alibi(h, n, m, *, rule="powers", symmetric=False, offset=None):
    """The bias slope (j - i) of Press et al. 2022; i counted from the key beside query 0. Returns (h, n, m)."""
    beside = m - n if offset is None else offset
    distance = lambda i, j: -abs(j - i - beside) if symmetric else j - i - beside  # noqa: E731
    return [[[s * distance(i, j) for j in range(m)] for i in range(n)] for s in alibi_slopes(h, rule=rule)]


def t5_bucket(relative, *, buckets=32, distance=128, bidirectional=True):
    """Raffel et al. 2020, section 2.1, by their code; relative = key - query. Logarithms, as there."""
    bucket, back = 0, -relative
    if bidirectional:
        buckets //= 2
        bucket += buckets if back < 0 else 0
        back = abs(back)
    back = max(back, 0)
    exact = buckets // 2
    if back < exact:
        return bucket + back
    large = exact + int(math.log(back / exact) / math.log(distance / exact) * (buckets - exact) + 1e-9)
    return bucket + min(large, buckets - 1)


def t5_relative(b, n, m, *, distance=128, bidirectional=True, offset=None):
    """b: (h, buckets). Returns (h, n, m)."""
    beside = m - n if offset is None else offset
    kind = {"buckets": len(b[0]), "distance": distance, "bidirectional": bidirectional}
    return [[[row[t5_bucket(j - i - beside, **kind)] for j in range(m)] for i in range(n)] for row in b]


def kerple(r_1, r_2, n, m, *, kernel="logarithmic", offset=None):
    """Chi et al. 2022: -r_1 log(1 + r_2 |i - j|), or -r_1 |i - j|^r_2. Returns (h, n, m)."""
    beside = m - n if offset is None else offset

    def bias(a, b, far):
        return -a * math.log(1 + b * far) if kernel == "logarithmic" else -a * far**b

    pairs = list(zip(r_1, r_2, strict=True))
    return [[[bias(a, b, abs(j - i - beside)) for j in range(m)] for i in range(n)] for a, b in pairs]


def clip(x, k):
    """max(-k, min(k, x)), as Shaw et al. 2018 write it."""
    return max(-k, min(k, x))


def shaw_relative(q, a, m, *, scale=None, offset=None):
    """Shaw et al. 2018, section 3.2: scale q_i . a_clip(j - i, k). Returns (n, m)."""
    n, d, k = len(q), len(q[0]), len(a) // 2
    scale = 1 / math.sqrt(d) if scale is None else scale
    beside = m - n if offset is None else offset
    return [
        [scale * sum(q[i][c] * a[clip(j - i - beside, k) + k][c] for c in range(d)) for j in range(m)] for i in range(n)
    ]


def shaw_values(p, a, *, offset=None):
    """Shaw et al. 2018, section 3.1: sum_j p_ij a_clip(j - i, k). Returns (n, e)."""
    n, m, k = len(p), len(p[0]), len(a) // 2
    beside = m - n if offset is None else offset
    return [
        [math.fsum(p[i][j] * a[clip(j - i - beside, k) + k][c] for j in range(m)) for c in range(len(a[0]))]
        for i in range(n)
    ]


def music_relative(q, e, *, scale=None, offset=None):
    """Huang et al. 2018, section 3.4: row e[-1 - t] belongs to the key t steps back. Returns (n, m)."""
    n, d, m = len(q), len(q[0]), len(e)
    offset = m - n if offset is None else offset
    scale = 1 / math.sqrt(d) if scale is None else scale
    out = []
    for i in range(n):
        back = [i + offset - j for j in range(m)]
        out.append([scale * sum(q[i][c] * e[m - 1 - t][c] for c in range(d)) if t >= 0 else 0.0 for t in back])
    return out


def transformer_xl_relative(q, k, w_kr, u, v, *, base=10000.0, bidirectional=False, scale=None, offset=None):
    """Dai et al. 2019, section 3.3: terms b, c and d of the relative score. Returns (n, m)."""
    n, d, m, c = len(q), len(q[0]), len(k), len(w_kr[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    offset = m - n if offset is None else offset
    u, v = ([0.0] * d if x is None else x for x in (u, v))
    out = []
    for i in range(n):
        row = []
        for j in range(m):
            distance = i + offset - j
            if distance < 0 and not bidirectional:
                row.append(0.0)
                continue
            r = sinusoidal(1, c, offset=distance, base=base, layout="halves")[0]
            w = [sum(w_kr[s][t] * r[t] for t in range(c)) for s in range(d)]
            terms = (q[i][s] * w[s] + u[s] * k[j][s] + v[s] * w[s] for s in range(d))
            row.append(scale * math.fsum(terms))
        out.append(row)
    return out
