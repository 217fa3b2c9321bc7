// Streaming softmax attention in float32: o = softmax(logits) v and the logarithm of the softmax's denominator, without
// ever holding all logits (the recurrence is told in softmax_attend.py).
//
// A block owns ROWS queries of one batch entry and walks over the keys that they may see, KEYS at a time:
//
//   stage keys | s = q k^T | softcap, bias, mask, band | w = exp(s - top), rescale o | stage values | o += w v
//
// Groups of LANES threads own rows (register_tile.cuh): a row's maximum and sum are shuffles among them, and weights
// pass from the first product to the second through shared memory that only their own group reads. Queries stay for the
// whole walk; keys and values take turns in one buffer, so that for HEAD = 128 two blocks fit on a multiprocessor of
// sm_80. Batch, rows and strides are 64 bits wide; what lies inside a tile is 32.

struct Problem {
    Index n, m, d, e;
    Index lo, hi;  // key j is seen by query i only if lo <= j - i <= hi; between -n and m
    Index batch[3];
    View q, k, v, bias, mask;
};

template <int HEAD>
constexpr int BLOCKS = HEAD <= 64 ? 3 : HEAD <= 128 ? 2 : 1;  // that a multiprocessor holds, at least

constexpr unsigned EVERY_LANE = 0xffffffffu;

__device__ __forceinline__ float minus_infinity() { return __int_as_float(0xff800000); }

__device__ __forceinline__ Index offset(const View& x, const Index (&entry)[3]) {
    return entry[0] * x.batch[0] + entry[1] * x.batch[1] + entry[2] * x.batch[2];
}

__device__ __forceinline__ float group_max(float x) {
#pragma unroll
    for (int step = LANES / 2; step; step /= 2) x = fmaxf(x, __shfl_xor_sync(EVERY_LANE, x, step, LANES));
    return x;
}

__device__ __forceinline__ float group_sum(float x) {
#pragma unroll
    for (int step = LANES / 2; step; step /= 2) x += __shfl_xor_sync(EVERY_LANE, x, step, LANES);
    return x;
}

template <int HEAD>
__global__ void __launch_bounds__(THREADS, BLOCKS<HEAD>)
softmax_attend(const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
               const float* __restrict__ bias, const unsigned char* __restrict__ mask,
               float* __restrict__ o, float* __restrict__ lse,
               const Problem problem, const float scale, const float softcap, const Index first_block) {
    SHARED_MEMORY(memory);
    const Tile<HEAD> tile(memory);
    const int group = threadIdx.x / LANES, lane = threadIdx.x % LANES;

    // Which batch entry and which rows: neighbouring blocks share keys, and the rows that see most keys under a causal
    // band come first, so that no long block is left to run alone.
    const Index n = problem.n, m = problem.m, e = problem.e;
    const Index tiles = (n + ROWS - 1) / ROWS, block = first_block + blockIdx.x;
    const Index batch = block / tiles, top_row = (tiles - 1 - block % tiles) * ROWS;
    const Index entry[3] = {batch / problem.batch[2] / problem.batch[1], batch / problem.batch[2] % problem.batch[1],
                            batch % problem.batch[2]};
    const int rows = int(min(n - top_row, Index(ROWS)));
    q += offset(problem.q, entry) + top_row * problem.q.row;
    k += offset(problem.k, entry);
    v += offset(problem.v, entry);
    if (bias) bias += offset(problem.bias, entry) + top_row * problem.bias.row;
    if (mask) mask += offset(problem.mask, entry) + top_row * problem.mask.row;

    float acc[ROWS_EACH][HEAD / LANES], top[ROWS_EACH], sum[ROWS_EACH];  // sum: over this lane's columns only
#pragma unroll
    for (int i = 0; i < ROWS_EACH; ++i) {
        top[i] = minus_infinity();
        sum[i] = 0.f;
#pragma unroll
        for (int c = 0; c < HEAD / LANES; ++c) acc[i][c] = 0.f;
    }
    stage<HEAD, HEAD, ROWS>(tile.q, q, problem.q, rows, problem.d, scale);

    const Index first = max(top_row + problem.lo, Index(0)), last = min(top_row + rows + problem.hi, m);
#pragma unroll 1
    for (Index left = first; left < last; left += KEYS) {
        const int keys = int(min(last - left, Index(KEYS)));
        __syncthreads();  // the last tile's values have been used
        stage<HEAD, Tile<HEAD>::PITCH, KEYS>(tile.kv, k + left * problem.k.row, problem.k, keys, problem.d, 1.f);
        __syncthreads();
        float s[ROWS_EACH][KEYS_EACH];
        multiply_keys<HEAD>(s, tile, group, lane);

        if (softcap > 0.f) {
#pragma unroll
            for (int i = 0; i < ROWS_EACH; ++i)
#pragma unroll
                for (int j = 0; j < KEYS_EACH; ++j) s[i][j] = softcap * tanhf(s[i][j] / softcap);
        }

        // The band seen from this tile: pair (row, column) is inside if lo <= column - row <= hi.
        const int lo = int(max(problem.lo - (left - top_row), Index(-ROWS)));
        const int hi = int(min(problem.hi - (left - top_row), Index(KEYS)));
#pragma unroll
        for (int i = 0; i < ROWS_EACH; ++i) {
            const int row = group * ROWS_EACH + i;
#pragma unroll
            for (int j = 0; j < KEYS_EACH; ++j) {
                const int column = lane + LANES * j;
                bool seen = row < rows && column < keys && lo <= column - row && column - row <= hi;
                if (mask && seen) seen = mask[row * problem.mask.row + (left + column) * problem.mask.column];
                if (bias && seen) {
                    const float added = bias[row * problem.bias.row + (left + column) * problem.bias.column];
                    seen = added != minus_infinity();  // not left to the sum: a NaN of an unseen key would win
                    s[i][j] += added;
                }
                if (!seen) s[i][j] = minus_infinity();
            }
        }

#pragma unroll
        for (int i = 0; i < ROWS_EACH; ++i) {
            float next = s[i][0];
#pragma unroll
            for (int j = 1; j < KEYS_EACH; ++j) next = fmaxf(next, s[i][j]);
            next = fmaxf(top[i], group_max(next));  // fmaxf drops a NaN; the exponential below brings it back
            const float shift = next == minus_infinity() ? 0.f : next;
            const float fade = __expf(top[i] - shift);
            top[i] = next;
            sum[i] *= fade;
#pragma unroll
            for (int c = 0; c < HEAD / LANES; ++c) acc[i][c] *= fade;
#pragma unroll
            for (int j = 0; j < KEYS_EACH; ++j) {
                const bool seen = s[i][j] != minus_infinity();
                const float w = seen ? __expf(s[i][j] - shift) : __int_as_float(UNSEEN);
                sum[i] += w;
                tile.w[(group * ROWS_EACH + i) * KEYS + lane + LANES * j] = w;
            }
        }

        __syncthreads();  // the keys have been used
        const float* values = v + left * problem.v.row;
        const bool odd = stage<HEAD, Tile<HEAD>::PITCH, KEYS>(tile.kv, values, problem.v, keys, e, 1.f);
        if (__syncthreads_or(odd))
            multiply_values<HEAD, true>(acc, tile, group, lane);
        else
            multiply_values<HEAD, false>(acc, tile, group, lane);
    }

#pragma unroll
    for (int i = 0; i < ROWS_EACH; ++i) {
        const float total = group_sum(sum[i]);
        const float factor = total == 0.f ? 0.f : 1.f / total;  // zeros where a query sees no key
        const int row = group * ROWS_EACH + i;
        if (row >= rows) continue;
        const Index at = batch * n + top_row + row;
#pragma unroll
        for (int c = 0; c < HEAD / LANES; ++c) {
            constexpr int WIDTH = Tile<HEAD>::WIDTH;
            const int column = (c / WIDTH * LANES + lane) * WIDTH + c % WIDTH;
            if (column < e) o[at * e + column] = acc[i][c] * factor;
        }
        if (lane == 0) lse[at] = total == 0.f ? minus_infinity() : top[i] + logf(total);
    }
}
