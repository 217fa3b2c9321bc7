"""The stand-in for CuPy and its shim: right where CUDA defines an answer, strict where a GPU would keep silent."""

import sys

import numpy as np
import pytest

SOURCE = """
__global__ void fill(float* x, float value, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = value;
}

__global__ void lanes(int* x) {
    const int lane = threadIdx.x % 32;
    int* row = x + threadIdx.x;
    row[0 * 64] = __shfl_sync(0xffffffffu, lane, 5);
    row[1 * 64] = __shfl_sync(0xffffffffu, lane, 5, 16);
    row[2 * 64] = __shfl_xor_sync(0xffffffffu, lane, 9);
    row[3 * 64] = __shfl_down_sync(0xffffffffu, lane, 3, 8);
    row[4 * 64] = __shfl_up_sync(0xffffffffu, lane, 3, 8);
    row[5 * 64] = (int)__ballot_sync(0xffffffffu, lane % 3 == 0);
    row[6 * 64] = __any_sync(0xffffffffu, lane == 31) + 2 * __all_sync(0xffffffffu, lane < 31);
    row[7 * 64] = lane < 8 ? __shfl_xor_sync(0xffu, lane, 1) : -1;
    row[8 * 64] = __syncthreads_or(threadIdx.x == 40) != 0;
    row[9 * 64] = __syncthreads_and(threadIdx.x != 40) != 0;
    row[10 * 64] = __syncthreads_count(threadIdx.x < 50);
}

__global__ void lonely(int* x) {
    if (threadIdx.x < 40) __syncthreads();
    x[0] = 1;
}

__global__ void divergent(int* x) {
    if (threadIdx.x < 4) x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
}
"""
SHARED = """
__global__ void peek(float* x, int at) {
    SHARED_MEMORY(memory);
    x[threadIdx.x] = memory[threadIdx.x];
    if (at >= 0) memory[at] = 1.f;
}
"""


def kernel(cupy, name, source=SOURCE):
    return cupy.RawModule(code=source, options=("-std=c++17",), name_expressions=(name,)).get_function(name)


@pytest.mark.usefixtures("thread_order")
def test_shuffles_and_votes_are_those_of_cuda(cupy):
    out = cupy.empty((11, 64), np.int32)
    kernel(cupy, "lanes")((1,), (64,), (out,))
    lane = np.arange(32)
    inside = lane % 8
    expected = [
        np.full(32, 5),
        lane // 16 * 16 + 5,
        lane ^ 9,
        np.where(inside + 3 < 8, lane + 3, lane),
        np.where(inside >= 3, lane - 3, lane),
        np.full(32, np.array(sum(1 << i for i in range(0, 32, 3)), np.uint32).astype(np.int32)),
        np.full(32, 1),
        np.where(lane < 8, lane ^ 1, -1),
        np.full(32, 1),
        np.full(32, 0),
        np.full(32, 50),
    ]
    np.testing.assert_array_equal(out.get(), np.tile(np.stack(expected), 2))


def test_a_barrier_that_some_threads_miss_is_a_deadlock(stand_in):
    with pytest.raises(Exception, match="deadlock: 40 threads at a barrier, 0 at a warp operation, 24 done"):
        kernel(stand_in, "lonely")((1,), (64,), (stand_in.empty(1, np.int32),))


def test_a_shuffle_that_some_lanes_miss_is_a_deadlock(stand_in):
    with pytest.raises(Exception, match="deadlock: 0 threads at a barrier, 4 at a warp operation, 28 done"):
        kernel(stand_in, "divergent")((1,), (32,), (stand_in.empty(4, np.int32),))


def test_a_kernel_works_again_after_a_deadlock(stand_in):
    with pytest.raises(Exception, match="deadlock"):
        kernel(stand_in, "lonely")((1,), (64,), (stand_in.empty(1, np.int32),))
    x = stand_in.empty(5, np.float32)
    kernel(stand_in, "fill")((1,), (64,), (x, np.float32(2), np.int32(5)))
    assert (x.get() == 2).all()


def test_shared_memory_starts_as_nan(stand_in):
    x = stand_in.empty(8, np.float32)
    kernel(stand_in, "peek", SHARED)((1,), (8,), (x, np.int32(-1)), shared_mem=32)
    assert np.isnan(x.get()).all()


def test_writing_past_the_end_of_shared_memory_is_noticed(stand_in):
    with pytest.raises(Exception, match="past the end of shared memory"):
        kernel(stand_in, "peek", SHARED)((1,), (8,), (stand_in.empty(8, np.float32), np.int32(8)), shared_mem=32)


REFUSED = {
    "argument 1 has 8 bytes, the parameter 4": lambda k, x: k((1,), (8,), (x, 2.0, np.int32(8))),
    "argument 2 has 8 bytes, the parameter 4": lambda k, x: k((1,), (8,), (x, np.float32(2), 8)),
    "has 3 parameters, got 2 arguments": lambda k, x: k((1,), (8,), (x, np.float32(2))),
    "only a numpy.ndarray of size one": lambda k, x: k((1,), (8,), (x.get(), np.float32(2), np.int32(8))),
    "grid .0,.": lambda k, x: k((0,), (8,), (x, np.float32(2), np.int32(8))),
    "grid .1, 65536.": lambda k, x: k((1, 65536), (8,), (x, np.float32(2), np.int32(8))),
    "block .1025,.": lambda k, x: k((1,), (1025,), (x, np.float32(2), np.int32(8))),
    "block .64, 32.": lambda k, x: k((1,), (64, 32), (x, np.float32(2), np.int32(8))),
    "50000 bytes of shared memory": lambda k, x: k((1,), (8,), (x, np.float32(2), np.int32(8)), shared_mem=50_000),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_launch_that_cuda_refuses_or_garbles_is_refused(stand_in, sentence):
    with pytest.raises(Exception, match=sentence):
        REFUSED[sentence](kernel(stand_in, "fill"), stand_in.empty(8, np.float32))


def test_an_array_of_another_device_is_refused(stand_in):
    with stand_in.cuda.Device(1):
        x = stand_in.empty(8, np.float32)
    with pytest.raises(Exception, match="ILLEGAL_ADDRESS"):
        kernel(stand_in, "fill")((1,), (8,), (x, np.float32(2), np.int32(8)))


@pytest.mark.parametrize("mix", [np.asarray, np.exp, lambda x: x + np.ones(3), lambda x: np.ones(3) @ x])
def test_arrays_do_not_mix_with_those_of_numpy(stand_in, mix):
    with pytest.raises(TypeError):
        mix(stand_in.asarray(np.ones(3)))


def test_fresh_memory_is_nan(stand_in):
    assert np.isnan(stand_in.empty((2, 3), np.float32).get()).all()


def test_it_leaves_no_trace():
    import stand_in_cupy

    before = sys.modules.get("cupy")
    with stand_in_cupy.installed() as cupy:
        assert sys.modules["cupy"] is cupy
        from factorattn.primitives import softmax_attend_cupy

        assert softmax_attend_cupy.cupy is cupy
    assert sys.modules.get("cupy") is before
    assert "factorattn.primitives.softmax_attend_cupy" not in sys.modules
    assert "array_api_compat.cupy" not in sys.modules
