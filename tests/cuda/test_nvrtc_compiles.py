"""Every shipped kernel compiles for every architecture named here, without spills, under a ceiling of registers."""

import nvrtc
import pytest

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
# What 64 K registers leave each of a block's 128 threads if 3, 3, 2 and 1 blocks share a multiprocessor.
REGISTERS = {32: 168, 64: 168, 128: 255, 256: 255}

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason=nvrtc.missing() or "NVRTC is there")


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("head", REGISTERS)
@pytest.mark.usefixtures("cupy")
def test_it_compiles_without_spills_under_its_ceiling_of_registers(head, arch):
    from factorattn.primitives import softmax_attend_cupy as kernel

    expression, options = kernel.EXPRESSIONS[head], (*kernel.OPTIONS, "-ftz=true")  # which CuPy adds
    used = nvrtc.compile_cubin(kernel.source(), (expression,), arch, options)[expression]
    assert used.spilled == 0
    assert used.stack == 0
    assert used.registers <= REGISTERS[head]


@pytest.mark.usefixtures("cupy")
def test_every_shipped_instance_is_compiled_here():
    from factorattn.primitives import softmax_attend_cupy as kernel

    assert set(kernel.EXPRESSIONS) == set(REGISTERS)


def test_an_error_in_the_source_is_told_with_its_line():
    with pytest.raises(nvrtc.CompileError, match=r"kernel\.cu\(1\): error"):
        nvrtc.compile_cubin("__global__ void f() { nonsense; }", ("f",), "sm_90")


def test_a_spill_is_seen():
    source = (
        "__global__ void __launch_bounds__(1024, 2) f(float* x, int n) { float y[64];\n"
        + """
#pragma unroll
    for (int i = 0; i < 64; ++i) y[i] = x[i * n + threadIdx.x];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 64; ++i) x[i + threadIdx.x * n] = y[i] * y[63 - i] + y[(7 * i) % 64];
}"""
    )
    assert nvrtc.compile_cubin(source, ("f",), "sm_90")["f"].spilled > 0
