"""How `softmax_attend` reaches the GPU: what is launched, on which stream and device, and what is declined."""

import numpy as np
import pytest

from factorattn import softmax_attention
from factorattn.primitives.dispatch import Unsupported, explain, kernels
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.testing.tolerance import ROUNDING


def arrays(cupy, *shapes):
    rng = np.random.default_rng(0)
    return [cupy.asarray(rng.standard_normal(shape).astype(np.float32)) for shape in shapes]


def same(cupy, n=5, m=7, d=8):
    return arrays(cupy, (n, d), (m, d), (m, d))


def test_a_launch_has_a_block_for_every_64_queries_of_every_batch_entry(cupy, launches):
    softmax_attend(*arrays(cupy, (3, 130, 32), (90, 32), (3, 90, 32)), scale=1.0)
    (launch,) = launches
    assert launch.grid == (9,)
    assert launch.kernel == "softmax_attend<32>"


@pytest.mark.parametrize(("d", "e", "head"), [(1, 1, 32), (32, 33, 64), (65, 1, 128), (129, 1, 256)])
def test_the_smallest_instance_that_fits_both_head_sizes_runs(cupy, launches, d, e, head):
    softmax_attend(*arrays(cupy, (1, d), (1, d), (1, e)), scale=1.0)
    assert launches[-1].kernel == f"softmax_attend<{head}>"


@pytest.mark.parametrize("empty", ["batch", "n"])
def test_nothing_is_launched_for_no_queries(cupy, launches, empty):
    batch, n = (0, 4) if empty == "batch" else (4, 0)
    softmax_attend(*arrays(cupy, (batch, n, 8), (7, 8), (7, 8)), scale=1.0)
    assert launches == []


@pytest.mark.parametrize("given", [True, False], ids=["named", "null"])
def test_kernels_run_on_the_current_stream(cupy, launches, given):
    stream = cupy.cuda.Stream() if given else cupy.cuda.Stream.null
    with stream:
        softmax_attend(*same(cupy), scale=1.0)
    assert launches[-1].stream is stream


def test_the_answer_on_a_stream_of_its_own_is_the_same(cupy):
    q, k, v = same(cupy, 130, 200)
    o, lse = softmax_attend(q, k, v, scale=1.0)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        other = softmax_attend(q, k, v, scale=1.0)
    stream.synchronize()
    np.testing.assert_array_equal(other[0].get(), o.get())
    np.testing.assert_array_equal(other[1].get(), lse.get())


def test_kernels_run_on_the_device_of_their_arrays(cupy):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("one device")
    with cupy.cuda.Device(1):
        q, k, v = same(cupy)
    with kernels("require"):
        o, _ = softmax_attend(q, k, v, scale=1.0)
    assert o.device == q.device


def test_work_follows_the_band(cupy, launches):
    q, k, v = same(cupy, 70, 6400)
    softmax_attend(q, k, v, scale=1.0)
    softmax_attend(q, k, v, scale=1.0, band=(3000, 3010))
    everything, window = (launch.barriers for launch in launches)
    per_tile = everything // (2 * 100)
    assert window <= per_tile * 2 * 3


def test_neighbouring_batch_axes_are_merged_into_one_launch(cupy, launches):
    softmax_attend(*arrays(cupy, (2, 3, 2, 3, 4, 8), (2, 3, 2, 3, 4, 8), (2, 3, 2, 3, 4, 8)), scale=1.0)
    assert len(launches) == 1


def test_axes_that_cannot_be_merged_take_a_launch_each(cupy, launches):
    softmax_attend(*arrays(cupy, (2, 1, 2, 1, 4, 8), (1, 3, 1, 3, 4, 8), (4, 8)), scale=1.0)
    assert len(launches) == 2


DECLINED = {
    "k is float64, the kernel takes float32": lambda c, q, k, v: (q, c.asarray(k.get().astype(np.float64)), v, {}),
    "bias is float64, the kernel takes float32": lambda c, q, k, v: (q, k, v, {"bias": c.asarray(np.ones((5, 7)))}),
    "mask is int8, the kernel takes bool": lambda c, q, k, v: (q, k, v, {"mask": c.asarray(np.ones((5, 7), np.int8))}),
    "an array has fewer than two axes": lambda c, q, k, v: (q, k, v, {"bias": c.asarray(np.ones(7, np.float32))}),
    "the sizes of the arrays disagree": lambda c, q, k, v: (q, k, v[:6], {}),
    "scale is a ndarray, the kernel takes a number": lambda c, q, k, v: (q, k, v, {"scale": q[0, 0]}),
    "softcap is 0.0, the kernel takes a positive number": lambda c, q, k, v: (q, k, v, {"softcap": 0.0}),
}


@pytest.mark.parametrize("sentence", DECLINED)
def test_what_the_kernel_declines_it_names(cupy, sentence):
    q, k, v, options = DECLINED[sentence](cupy, *same(cupy))
    with kernels("require"), pytest.raises(Unsupported, match=f"^softmax_attend: {sentence}$"):
        softmax_attend(q, k, v, **{"scale": 1.0, **options})


def test_a_head_that_is_too_large_is_declined(cupy):
    with kernels("require"), pytest.raises(Unsupported, match=r"head size 257 > \d+, the largest that fits"):
        softmax_attend(*same(cupy, d=257), scale=1.0)


def test_a_device_with_little_shared_memory_declines_sooner(cupy, launches, monkeypatch):
    import stand_in_devices

    monkeypatch.setitem(stand_in_devices.LIMITS, "MaxSharedMemoryPerBlockOptin", 99 << 10)
    with kernels("require"), pytest.raises(Unsupported, match="head size 129 > 128, the largest that fits"):
        softmax_attend(*same(cupy, d=129), scale=1.0)
    assert launches == []


def test_arrays_on_two_devices_are_declined(cupy):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("one device")
    q, k, v = same(cupy)
    with cupy.cuda.Device(1):
        _, k, _ = same(cupy)
    with kernels("require"), pytest.raises(Unsupported, match="arrays are on several devices"):
        softmax_attend(q, k, v, scale=1.0)


def test_what_is_declined_runs_the_reference_and_says_so(cupy):
    q, k, v = (cupy.asarray(x.get().astype(np.float64)) for x in same(cupy))
    (choice,) = explain(lambda: softmax_attend(q, k, v, scale=1.0))
    assert str(choice) == "softmax_attend -> reference (q is float64, the kernel takes float32)"


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"window": 3}, {"softcap": 2.0}], ids=str)
def test_the_public_mechanism_reaches_the_kernel(cupy, options):
    q, k, v = arrays(cupy, (2, 5, 8), (2, 7, 8), (2, 7, 4))
    with kernels("require") as log:
        o = softmax_attention(q, k, v, **options)
    assert [str(choice) for choice in log] == ["softmax_attend -> softmax_attend_cupy"]
    wide = [x.get().astype(np.float64) for x in (q, k, v)]
    with kernels("off"):
        expected = softmax_attention(*wide, **options)
    np.testing.assert_allclose(o.get(), expected, rtol=0, atol=ROUNDING(np.float32, 7 + 8) * np.abs(expected).max())
