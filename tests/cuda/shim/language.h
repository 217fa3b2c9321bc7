// What CUDA adds to C++, as far as the kernels use it.
#pragma once

#include "block.h"

#include <cmath>
#include <cstring>
#include <type_traits>

// ---- keywords and built-in variables

#define __global__ static
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define SHARED_MEMORY(name) float* name = reinterpret_cast<float*>(shim::shared)

#define threadIdx (shim::current->index)
#define blockIdx (shim::block_index)
#define blockDim (shim::block)
#define gridDim (shim::grid)

// ---- barriers

inline void __syncthreads() { shim::barrier(0); }
inline int __syncthreads_or(int vote) { return shim::barrier(vote != 0) != 0; }
inline int __syncthreads_and(int vote) { return shim::barrier(vote == 0) == 0; }
inline int __syncthreads_count(int vote) { return shim::barrier(vote != 0); }

SHIM_UNSEEN inline void __syncwarp(unsigned mask = ~0u) {
    char* tag = &shim::warp_tags[shim::current->warp][shim::current->warp_phase];
    shim::release(tag);
    shim::wait_for_lanes(mask);
    shim::acquire(tag);
    if (mask == ~0u) shim::current->warp_phase ^= 1;
}

// ---- shuffles and votes: they exchange registers and, as in CUDA, order no memory

namespace shim {

static unsigned char exchange[2][32][32][8];  // phase, warp, lane, bytes

// Gives this lane's value away, waits for the lanes of the mask, and reads what `pick(their values)` reads.
// Nobody can be two full-warp operations ahead, so two buffers in turn suffice; a partial mask waits once more instead.
template <class T, class Pick>
SHIM_UNSEEN inline auto swap(unsigned mask, T value, Pick pick) {
    static_assert(sizeof(T) <= 8, "lanes exchange up to 8 bytes");
    auto& lanes = exchange[current->warp_phase][current->warp];
    __builtin_memcpy(lanes[current->lane], &value, sizeof(T));
    wait_for_lanes(mask);
    const auto picked = pick([&](int lane) {
        T other;
        __builtin_memcpy(&other, lanes[lane], sizeof(T));
        return other;
    });
    if (mask == ~0u)
        current->warp_phase ^= 1;
    else
        wait_for_lanes(mask);
    return picked;
}

template <class T>
SHIM_UNSEEN inline T shuffle(unsigned mask, T value, int source) {
    if (!(mask >> source & 1)) fail("a shuffle reads a lane outside its mask");
    return swap(mask, value, [=](auto read) SHIM_UNSEEN { return read(source); });
}

inline int section(int lane, int width) { return lane & ~(width - 1); }

}  // namespace shim

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
    return shim::shuffle(mask, value, shim::section(shim::current->lane, width) | (source & (width - 1)));
}

template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
    const int lane = shim::current->lane, source = lane ^ lanes;  // a section further on answers with one's own value
    return shim::shuffle(mask, value, shim::section(source, width) > shim::section(lane, width) ? lane : source);
}

template <class T>
inline T __shfl_down_sync(unsigned mask, T value, int lanes, int width = 32) {
    const int lane = shim::current->lane;
    return shim::shuffle(mask, value, lane - shim::section(lane, width) + lanes < width ? lane + lanes : lane);
}

template <class T>
inline T __shfl_up_sync(unsigned mask, T value, int lanes, int width = 32) {
    const int lane = shim::current->lane;
    return shim::shuffle(mask, value, lane - shim::section(lane, width) >= lanes ? lane - lanes : lane);
}

inline unsigned __ballot_sync(unsigned mask, int vote) {
    return shim::swap(mask, vote, [=](auto read) SHIM_UNSEEN {
        unsigned votes = 0;
        for (int lane = 0; lane < 32; ++lane)
            if (mask >> lane & 1 && read(lane)) votes |= 1u << lane;
        return votes;
    });
}

inline int __any_sync(unsigned mask, int vote) { return __ballot_sync(mask, vote) != 0; }
inline int __all_sync(unsigned mask, int vote) { return __ballot_sync(mask, vote) == mask; }

// ---- arithmetic

template <class A, class B>
constexpr std::common_type_t<A, B> min(A a, B b) {
    using T = std::common_type_t<A, B>;
    return T(b) < T(a) ? T(b) : T(a);
}

template <class A, class B>
constexpr std::common_type_t<A, B> max(A a, B b) {
    using T = std::common_type_t<A, B>;
    return T(a) < T(b) ? T(b) : T(a);
}

inline float __int_as_float(int bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

inline unsigned __float_as_uint(float x) {
    unsigned bits;
    memcpy(&bits, &x, 4);
    return bits;
}

#define __expf(x) expf(x)  // libm declares the name itself
#define __logf(x) logf(x)
