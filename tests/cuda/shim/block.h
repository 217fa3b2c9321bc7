// Runs the threads of a block in turn, each until it waits: at a barrier for its block, at a warp operation for its
// warp. When none can run, those whose partners have all arrived are let go; if there are none, it is a deadlock.
#pragma once

#include "fiber.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace shim {

enum class State { runs, at_barrier, at_warp, done };
enum Order : unsigned { forward = 0, reverse = 1 };  // a larger number seeds a random order

struct Thread {
    Fiber fiber;
    uint3 index;
    int lane, warp;
    State state;
    unsigned mask;         // lanes that the warp operation waits for
    unsigned warp_phase;   // which of two exchange buffers the next full-warp operation uses
    unsigned block_phase;  // which of two tags the next barrier uses
};

static std::vector<Thread> threads;
static Thread* current;
static Fiber launcher;
static dim3 grid, block;
static uint3 block_index;
static std::string error;
static long long barriers;  // passed by a block, in the last launch
static void (*body)(const void*);
static const void* body_argument;

// A vote at a barrier: gathered while threads arrive, published when they are let go.
static int votes_for, votes_published;

// Two tags in turn: were there one, a thread that has already reached the next barrier would seem ordered before one
// that is only leaving this one, and the race between them would go unnoticed.
static char launch_tag, block_tags[2], warp_tags[32][2];

// Shared memory, and behind it a strip that must stay as it was.
constexpr size_t FENCE = 4096;
static char* shared;
static size_t shared_size;

inline void fail(const std::string& what) {
    if (!error.empty()) return;
    char where[160];
    const uint3 thread = current ? current->index : uint3{};
    snprintf(where, sizeof where, " [block %u,%u,%u thread %u,%u,%u]", block_index.x, block_index.y, block_index.z,
             thread.x, thread.y, thread.z);
    error = what + where;
}

SHIM_UNSEEN inline void wait(State state) {
    current->state = state;
    switch_fiber(current->fiber, launcher);
}

SHIM_UNSEEN inline int barrier(int vote) {
    char* tag = &block_tags[current->block_phase ^= 1];
    votes_for += vote != 0;
    release(tag);
    wait(State::at_barrier);
    acquire(tag);
    return votes_published;
}

SHIM_UNSEEN inline void wait_for_lanes(unsigned mask) {
    if (!(mask >> current->lane & 1)) fail("a warp operation leaves its own lane out of its mask");
    current->mask = mask;
    wait(State::at_warp);
}

SHIM_UNSEEN inline void start_thread() {
    arrive(launcher);
    acquire(&launch_tag);
    body(body_argument);
    release(&launch_tag);
    current->state = State::done;
    switch_fiber(current->fiber, launcher, true);
    abort();
}

// Lets go the lanes of one warp that wait with a mask whose every lane waits with the same mask.
SHIM_UNSEEN inline bool release_lanes(Thread* warp, int lanes) {
    bool released = false;
    for (int first = 0; first < lanes; ++first) {
        if (warp[first].state != State::at_warp) continue;
        const unsigned mask = warp[first].mask;
        unsigned arrived = 0;
        for (int lane = 0; lane < lanes; ++lane)
            if (warp[lane].state == State::at_warp && warp[lane].mask == mask) arrived |= 1u << lane;
        if (arrived != mask) continue;
        for (int lane = 0; lane < lanes; ++lane)
            if (mask >> lane & 1) warp[lane].state = State::runs;
        released = true;
    }
    return released;
}

SHIM_UNSEEN inline bool release_barrier() {
    for (const Thread& thread : threads)
        if (thread.state != State::at_barrier) return false;
    for (Thread& thread : threads) thread.state = State::runs;
    votes_published = votes_for;
    votes_for = 0;
    ++barriers;
    return true;
}

SHIM_UNSEEN inline int count(State state) {
    int number = 0;
    for (const Thread& thread : threads) number += thread.state == state;
    return number;
}

SHIM_UNSEEN inline bool run_block(unsigned order, std::mt19937& random) {
    const int size = int(threads.size());
    std::vector<int> turns(size);
    for (int i = 0; i < size; ++i) turns[i] = order == reverse ? size - 1 - i : i;
    memset(shared, 0xff, shared_size);  // NaN, or -1
    votes_for = 0;
    for (Thread& thread : threads) {
        thread.state = State::runs;
        thread.warp_phase = thread.block_phase = 0;
        prepare(thread.fiber, start_thread);
    }
    release(&launch_tag);
    while (count(State::done) < size) {
        if (order > reverse) std::shuffle(turns.begin(), turns.end(), random);
        bool moved = false;
        for (int i : turns) {
            if (threads[i].state != State::runs) continue;
            current = &threads[i];
            switch_fiber(launcher, current->fiber);
            if (!error.empty()) return false;
            moved = true;
        }
        current = nullptr;
        for (int first = 0; first < size; first += 32)
            moved |= release_lanes(&threads[first], std::min(32, size - first));
        if (!moved && !release_barrier()) {
            char what[160];
            snprintf(what, sizeof what, "deadlock: %d threads at a barrier, %d at a warp operation, %d done",
                     count(State::at_barrier), count(State::at_warp), count(State::done));
            fail(what);
            return false;
        }
    }
    acquire(&launch_tag);
#if !defined(__SANITIZE_ADDRESS__)
    for (size_t i = 0; i < FENCE; ++i)
        if (shared[shared_size + i] != 0x55) fail("written past the end of shared memory");
#endif
    return error.empty();
}

inline void resize(size_t size) {
    for (size_t i = size; i < threads.size(); ++i) destroy(threads[i].fiber);
    const size_t old = threads.size();
    threads.resize(size);
    for (size_t i = old; i < size; ++i) create(threads[i].fiber);
}

inline bool run_grid(dim3 blocks, dim3 size, size_t bytes, unsigned order, void (*call)(const void*),
                     const void* argument) {
    grid = blocks, block = size, body = call, body_argument = argument;
    error.clear();
    barriers = 0;
    resize(size_t(size.x) * size.y * size.z);
#if defined(__SANITIZE_THREAD__)
    launcher.sanitizer = __tsan_get_current_fiber();
#endif
    for (size_t i = 0; i < threads.size(); ++i) {
        threads[i].index = {unsigned(i) % size.x, unsigned(i) / size.x % size.y, unsigned(i) / (size.x * size.y)};
        threads[i].lane = int(i % 32), threads[i].warp = int(i / 32);
    }
    void* memory = nullptr;
    shared_size = bytes;
#if defined(__SANITIZE_ADDRESS__)  // which guards the end itself, to the byte
    if (posix_memalign(&memory, 128, bytes)) abort();
    shared = static_cast<char*>(memory);
#else
    if (posix_memalign(&memory, 128, bytes + FENCE)) abort();
    shared = static_cast<char*>(memory);
    memset(shared + bytes, 0x55, FENCE);
#endif
    std::mt19937 random(order);
    bool fine = true;
    for (unsigned z = 0; z < blocks.z; ++z)
        for (unsigned y = 0; y < blocks.y; ++y)
            for (unsigned x = 0; x < blocks.x && fine; ++x) {
                block_index = {x, y, z};
                fine = run_block(order, random);
            }
    free(memory);
    if (!fine) resize(0);  // abandoned half-way: their stacks hold frames that will never be left
    return fine;
}

}  // namespace shim
