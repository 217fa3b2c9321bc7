// Tiles of queries, keys, values and weights: staged in shared memory, multiplied in registers. Float32.
//
// A block's THREADS threads form groups of LANES neighbours; a group owns ROWS_EACH rows. Of s = q k^T each lane
// computes the columns lane, lane + LANES, ...; of o = w v the packs of columns lane, lane + LANES, ... . Both products
// thus keep a block of results in registers, read each operand in packs of up to four, and meet no bank conflicts.
//
// HEAD is the size that d and e are filled up to with zeros. ROWS, KEYS and THREADS come from the launch code, which
// puts this text before a kernel's own. It compiles as it is with NVRTC, nvcc and (tests/cuda/shim) g++.

#ifndef SHARED_MEMORY
#define SHARED_MEMORY(name) extern __shared__ __align__(16) float name[]
#endif

typedef long long Index;

constexpr int LANES = 16;
constexpr int ROWS_EACH = ROWS / (THREADS / LANES);
constexpr int KEYS_EACH = KEYS / LANES;

// Strides in elements: of three batch axes, the same for every array and 0 where it broadcasts, of rows and of columns.
struct View {
    Index batch[3], row, column;
};

template <int W>
struct alignas(4 * W) Pack {  // moves as one instruction
    float at[W];
};

// Where things lie in shared memory: queries, then keys or values in turn, then weights.
template <int HEAD>
struct Tile {
    static constexpr int PITCH = HEAD + 4;  // of keys and values: lanes reading a column of keys meet no bank conflict
    static constexpr int WIDTH = HEAD < 4 * LANES ? HEAD / LANES : 4;
    static constexpr int PARTS = HEAD / LANES / WIDTH;  // packs of output columns that a lane owns
    float *q, *kv, *w;

    __device__ explicit Tile(float* memory) : q(memory), kv(q + ROWS * HEAD), w(kv + KEYS * PITCH) {}
};

// A pair that is not seen weighs -0, which no exponential gives: adding -0 * v changes nothing, and where v is not
// finite the pair can still be told from one that is seen and weighs +0.
constexpr unsigned UNSEEN = 0x80000000u;

// Copies the first `count` rows of x, times `factor`, to `tile`, and zeros behind them and beyond `width` columns.
// Says whether this thread met a NaN or an infinity.
template <int HEAD, int PITCH, int HEIGHT>
__device__ __forceinline__ bool stage(float* tile, const float* x, const View& stride, int count, Index width,
                                      float factor) {
    const bool packed = stride.column == 1 && stride.row % 4 == 0 && width % 4 == 0 &&
                        reinterpret_cast<unsigned long long>(x) % 16 == 0;
    bool odd = false;
#pragma unroll 4
    for (int t = threadIdx.x; t < HEIGHT * (HEAD / 4); t += THREADS) {
        const int row = t / (HEAD / 4), column = t % (HEAD / 4) * 4;
        const float* from = x + row * stride.row + column * stride.column;
        Pack<4> pack = {};
        if (row < count) {
            if (packed) {
                if (column < width) pack = *reinterpret_cast<const Pack<4>*>(from);
            } else {
#pragma unroll
                for (int c = 0; c < 4; ++c)
                    if (column + c < width) pack.at[c] = from[c * stride.column];
            }
        }
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            odd |= !(pack.at[c] * 0.f == 0.f);
            pack.at[c] *= factor;
        }
        *reinterpret_cast<Pack<4>*>(tile + row * PITCH + column) = pack;
    }
    return odd;
}

// s = q k^T for the rows of a group and the columns of a lane.
template <int HEAD>
__device__ __forceinline__ void multiply_keys(float (&s)[ROWS_EACH][KEYS_EACH], const Tile<HEAD>& tile, int group,
                                              int lane) {
#pragma unroll
    for (int i = 0; i < ROWS_EACH; ++i)
#pragma unroll
        for (int j = 0; j < KEYS_EACH; ++j) s[i][j] = 0.f;
#pragma unroll 2
    for (int c = 0; c < HEAD; c += 4) {
        Pack<4> key[KEYS_EACH];
#pragma unroll
        for (int j = 0; j < KEYS_EACH; ++j)
            key[j] = *reinterpret_cast<const Pack<4>*>(tile.kv + (lane + LANES * j) * Tile<HEAD>::PITCH + c);
#pragma unroll
        for (int i = 0; i < ROWS_EACH; ++i) {
            const Pack<4> query = *reinterpret_cast<const Pack<4>*>(tile.q + (group * ROWS_EACH + i) * HEAD + c);
#pragma unroll
            for (int j = 0; j < KEYS_EACH; ++j)
#pragma unroll
                for (int x = 0; x < 4; ++x) s[i][j] = fmaf(query.at[x], key[j].at[x], s[i][j]);
        }
    }
}

// o += w v for the rows of a group and the columns of a lane. ODD: some value is not finite, unseen pairs are skipped.
template <int HEAD, bool ODD>
__device__ __forceinline__ void multiply_values(float (&o)[ROWS_EACH][HEAD / LANES], const Tile<HEAD>& tile, int group,
                                                int lane) {
    constexpr int WIDTH = Tile<HEAD>::WIDTH, PARTS = Tile<HEAD>::PARTS;
#pragma unroll 1
    for (int j = 0; j < KEYS; j += 4) {
        Pack<4> w[ROWS_EACH];
#pragma unroll
        for (int i = 0; i < ROWS_EACH; ++i)
            w[i] = *reinterpret_cast<const Pack<4>*>(tile.w + (group * ROWS_EACH + i) * KEYS + j);
#pragma unroll
        for (int x = 0; x < 4; ++x)
#pragma unroll
            for (int p = 0; p < PARTS; ++p) {
                const float* from = tile.kv + (j + x) * Tile<HEAD>::PITCH + (p * LANES + lane) * WIDTH;
                const Pack<WIDTH> value = *reinterpret_cast<const Pack<WIDTH>*>(from);
#pragma unroll
                for (int i = 0; i < ROWS_EACH; ++i) {
                    if (ODD && __float_as_uint(w[i].at[x]) == UNSEEN) continue;
#pragma unroll
                    for (int c = 0; c < WIDTH; ++c)
                        o[i][p * WIDTH + c] = fmaf(w[i].at[x], value.at[c], o[i][p * WIDTH + c]);
                }
            }
    }
}
