"""Matrix products in which the result stays in registers, written as LLVM IR for the vectors of this machine.

    C[r, :] = fade C[r, :] + sum_s A[r, s] B[s, :]        for ROWS rows r at a time, `lanes` columns wide

Each step s loads one row of B and broadcasts ROWS numbers of A: ROWS * VECTORS multiply-adds for ROWS + VECTORS
loads. A is any strided matrix in memory, read where it lies; B and C are scratch arrays whose rows are `lanes` wide.
At the lower edge of A the tile's surplus rows repeat the last valid one and store the same numbers again: edges need
no code of their own.
"""

from typing import Any

from llvmlite import ir
from numba import extending, njit, types
from numba.core.registry import cpu_target

__all__ = [
    "VECTORS",
    "VECTOR_BYTES",
    "Lanes",
    "Vectors",
    "multiply",
    "multiply_onto",
]


def _registers() -> tuple[int, int]:
    """Bytes of a vector and rows of a tile. Numba keys its cache by the same description of the processor."""
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    on = features.split(",")
    if "+avx512f" in on:
        return 64, 8
    if "+avx2" in on and "+fma" in on:
        return 32, 4
    return 16, 8 if triple.startswith(("aarch64", "arm64")) else 4


VECTOR_BYTES, ROWS = _registers()  # ROWS * VECTORS sums, VECTORS rows of B and a broadcast fit the register file
VECTORS = 3
INDEX = ir.IntType(64)
intrinsic: Any = extending.intrinsic  # it takes away an argument, which its type hints do not say
ROW_BYTES = VECTORS * VECTOR_BYTES  # of scratch arrays
_FLAGS = ("contract",)  # multiply-adds become one instruction where there is one; NaN and infinity keep their meaning


class Lanes:
    """A vector value in IR, with Python's operators; numbers stand for vectors of them."""

    def __init__(self, vectors, value):
        self.vectors, self.value = vectors, value

    def _apply(self, operation, other, **flags):
        other = other if isinstance(other, Lanes) else self.vectors.constant(other)
        return Lanes(self.vectors, getattr(self.vectors.builder, operation)(self.value, other.value, **flags))

    def __add__(self, other):
        return self._apply("fadd", other, flags=_FLAGS)

    def __sub__(self, other):
        return self._apply("fsub", other, flags=_FLAGS)

    def __mul__(self, other):
        return self._apply("fmul", other, flags=_FLAGS)

    def __truediv__(self, other):
        return self._apply("fdiv", other)

    def _compare(self, relation, other):
        other = other if isinstance(other, Lanes) else self.vectors.constant(other)
        return Lanes(self.vectors, self.vectors.builder.fcmp_ordered(relation, self.value, other.value))

    def __lt__(self, other):
        return self._compare("<", other)

    def equals(self, other):
        return self._compare("==", other)

    def choose(self, yes, no):
        """Lanes of `yes` where this comparison holds, else of `no`. Comparisons with NaN do not hold."""
        return Lanes(self.vectors, self.vectors.builder.select(self.value, yes.value, no.value))


class Vectors:
    """What IR can say about vectors of one element type that lie in memory at byte addresses."""

    def __init__(self, builder, element):
        self.builder, self.element = builder, ir.FloatType() if element == types.float32 else ir.DoubleType()
        self.bytes = element.bitwidth // 8
        self.width = VECTOR_BYTES // self.bytes
        self.type = ir.VectorType(self.element, self.width)

    def constant(self, number):
        return Lanes(self, ir.Constant(self.type, [number] * self.width))

    def phi(self):
        return Lanes(self, self.builder.phi(self.type))

    def at(self, address, *offsets):
        for offset in offsets:
            address = self.builder.add(address, INDEX(offset) if isinstance(offset, int) else offset)
        return address

    def load(self, address):
        value = self.builder.load(self.builder.inttoptr(address, self.type.as_pointer()))
        value.align = self.bytes
        return Lanes(self, value)

    def store(self, x, address):
        self.builder.store(x.value, self.builder.inttoptr(address, self.type.as_pointer())).align = self.bytes

    def broadcast(self, address):
        return self.spread(self.builder.load(self.builder.inttoptr(address, self.element.as_pointer())))

    def spread(self, number):
        none = ir.Constant(self.type, ir.Undefined)
        one = Lanes(self, self.builder.insert_element(none, number, ir.IntType(32)(0)))
        return self.shuffle(one, one, [0] * self.width)

    def shuffle(self, x, y, lanes):
        """Lane i of the result is lane `lanes[i]` of x, or of y where that is beyond the width."""
        chosen = ir.Constant(ir.VectorType(ir.IntType(32), self.width), lanes)
        return Lanes(self, self.builder.shuffle_vector(x.value, y.value, chosen))

    def loop(self, count, starts, body):
        """Run ``states = body(states)`` `count` times, in registers, and give the last (`starts` if count <= 0)."""
        b = self.builder
        before, inside, after = b.block, b.append_basic_block("inside"), b.append_basic_block("after")
        b.cbranch(b.icmp_signed(">", count, INDEX(0)), inside, after)
        b.position_at_end(inside)
        starts = [INDEX(0), *starts]
        states = [self.phi() if isinstance(x, Lanes) else b.phi(INDEX) for x in starts]
        news = [self.at(states[0], 1), *body(*states[1:])]
        last = b.block
        b.cbranch(b.icmp_signed("<", news[0], count), inside, after)
        b.position_at_end(after)
        ends = [self.phi() if isinstance(x, Lanes) else b.phi(INDEX) for x in starts]
        for start, state, new, end in zip(starts, states, news, ends, strict=True):
            for phi in (state, end):
                _value(phi).add_incoming(_value(start), before)
                _value(phi).add_incoming(_value(new), last)
        return ends[1:]


def _value(x):
    return x.value if isinstance(x, Lanes) else x


def _product(keep):
    """The compiled C = A B or, to `keep` C, C = fade C + A B: byte addresses and strides, `vectors` vectors wide."""

    @intrinsic
    def tile(context, like, a, row, step, rows, steps, b, c, fade, vectors):
        def codegen(context, builder, signature, args):
            v = Vectors(builder, like)
            _, *matrices, fade, vectors = args
            for count in range(1, VECTORS + 1):
                columns = [VECTOR_BYTES * j for j in range(count)]
                with builder.if_then(builder.icmp_signed("==", vectors, INDEX(count))):
                    _emit_tile(v, columns, fade if keep else None, *matrices)
            return context.get_dummy_value()

        return types.void(like, *[types.intp] * 9), codegen

    @njit
    def multiply(like, a, row, step, rows, steps, b, c, fade, vectors):
        for r in range(0, rows, ROWS):
            tile(like, a + r * row, row, step, min(rows - r, ROWS), steps, b, c + r * ROW_BYTES, fade, vectors)

    return multiply


def _emit_tile(v, columns, fade, a, row, step, rows, steps, b, c):
    """IR for at most ROWS rows of A and C, and the vectors at the byte offsets `columns` of the rows of B and C."""
    last = v.at(rows, -1)
    valid = [v.builder.select(v.builder.icmp_signed("<", INDEX(r), last), INDEX(r), last) for r in range(ROWS)]
    a_rows = [v.at(a, v.builder.mul(r, row)) for r in valid]
    c_rows = [v.at(c, v.builder.mul(r, INDEX(ROW_BYTES))) for r in valid]

    def absorb(a_at, b_at, *sums):
        b_row = [v.load(v.at(b_at, column)) for column in columns]
        news: list[Lanes] = []
        for a_row in a_rows:
            x = v.broadcast(v.at(a_row, a_at))
            news += [sums[len(news) + j] + x * y for j, y in enumerate(b_row)]
        return v.at(a_at, step), v.at(b_at, ROW_BYTES), *news

    zeros = [v.constant(0.0) for _ in a_rows for _ in columns]
    sums = v.loop(steps, [INDEX(0), b, *zeros], absorb)[2:]
    there = [v.at(c_row, column) for c_row in c_rows for column in columns]
    if fade is not None:  # all loads come before all stores, for the sake of the repeated row
        factors = [v.load(v.at(fade, column)) for column in columns] * ROWS
        sums = [x + v.load(at) * factor for x, at, factor in zip(sums, there, factors, strict=True)]
    for x, at in zip(sums, there, strict=True):
        v.store(x, at)


multiply, multiply_onto = _product(keep=False), _product(keep=True)
