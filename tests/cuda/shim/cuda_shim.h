// Runs CUDA C++ on one CPU thread, so that kernels can be tested, and searched for races, on a machine without a GPU.
//
//     #include "cuda_shim.h"                      one fiber per CUDA thread, blocks one after another
//     ... the kernel's own text ...
//     SHIM_EXPORT(entry_0, kernel<64>)            a C function that launches this instance
//
//     g++ -std=c++17 -O2 -fPIC -shared -fvisibility=hidden [-fsanitize=address | -fsanitize=thread]
//
// fiber.h      switches stacks and tells the sanitizers
// block.h      the scheduler: barriers, warp operations, thread orders, deadlocks, shared memory
// language.h   what CUDA adds to C++: keywords, shuffles, votes, intrinsics
//
// It is stricter than a GPU: reading uninitialised shared memory gives NaN, writing past its end is an error, and so is
// a barrier or a warp operation that not all of its threads reach. It says nothing of speed, of blocks that race with
// each other, or of the last bits of approximate intrinsics.
#pragma once

#include "block.h"
#include "fiber.h"
#include "language.h"

#include <type_traits>
#include <utility>

namespace shim {

// A kernel and its arguments: pointers to values, as in cuLaunchKernel.
template <class... Args>
struct Call {
    void (*kernel)(Args...);
    void** arguments;

    void run() const { run(std::index_sequence_for<Args...>{}); }

private:
    template <size_t... I>
    void run(std::index_sequence<I...>) const {
        kernel(*static_cast<std::remove_cv_t<Args>*>(arguments[I])...);
    }
};

template <class... Args>
int launch(void (*kernel)(Args...), const unsigned* grid, const unsigned* block, size_t shared, void** arguments,
           unsigned order) {
    const Call<Args...> call{kernel, arguments};
    const auto body = [](const void* call) { static_cast<const Call<Args...>*>(call)->run(); };
    const dim3 blocks(grid[0], grid[1], grid[2]), threads(block[0], block[1], block[2]);
    return run_grid(blocks, threads, shared, order, body, &call) ? 0 : 1;
}

// The size of every parameter, and how many there are.
template <class... Args>
const int* parameter_sizes(void (*)(Args...), int* count) {
    static const int sizes[] = {int(sizeof(Args))..., 0};
    *count = sizeof...(Args);
    return sizes;
}

}  // namespace shim

#define SHIM_API extern "C" __attribute__((visibility("default")))

SHIM_API inline __attribute__((used)) const char* shim_error() { return shim::error.c_str(); }
SHIM_API inline __attribute__((used)) long long shim_barriers() { return shim::barriers; }

#define SHIM_EXPORT(entry, ...)                                                                                       \
    SHIM_API int entry(const unsigned* grid, const unsigned* block, size_t shared, void** arguments, unsigned order) { \
        return shim::launch(&__VA_ARGS__, grid, block, shared, arguments, order);                                     \
    }                                                                                                                 \
    SHIM_API const int* entry##_sizes(int* count) { return shim::parameter_sizes(&__VA_ARGS__, count); }
