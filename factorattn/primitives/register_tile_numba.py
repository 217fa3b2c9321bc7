"""Matrix products in which the result stays in registers, written as LLVM IR for the vectors of this machine.

    C[r, :] = fade C[r, :] + sum_s A[r, s] B[s, :]        for ROWS rows r at a time, `lanes` columns wide

Each step s loads one row of B and broadcasts ROWS numbers of A: ROWS * VECTORS multiply-adds for ROWS + VECTORS loads. A is any
strided matrix in memory, read where it lies; B and C are scratch arrays whose rows are `lanes` wide. At the lower edge of A the
tile's surplus rows repeat the last valid one and so store the same numbers again: edges need no code of their own.
"""
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

__all__ = ["VECTORS", "VECTOR_BYTES", "add_transposed", "load", "multiply", "multiply_onto", "pointer", "take_ticket"]


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
_INDEX = ir.IntType(64)


class _Vectors:
    """IR for vectors of one element type, at byte addresses."""

    def __init__(self, builder, element):
        self.builder = builder
        self.element = ir.FloatType() if element == types.float32 else ir.DoubleType()
        self.bytes = element.bitwidth // 8
        self.width = VECTOR_BYTES // self.bytes
        self.type = ir.VectorType(self.element, self.width)
        self.zero = ir.Constant(self.type, None)
        self.none = ir.Constant(self.type, ir.Undefined)

    def at(self, address, *offsets):
        for offset in offsets:
            address = self.builder.add(address, _INDEX(offset) if isinstance(offset, int) else offset)
        return address

    def load(self, address):
        x = self.builder.load(self.builder.inttoptr(address, self.type.as_pointer()))
        x.align = self.bytes
        return x

    def store(self, x, address):
        self.builder.store(x, self.builder.inttoptr(address, self.type.as_pointer())).align = self.bytes

    def broadcast(self, address):
        x = self.builder.load(self.builder.inttoptr(address, self.element.as_pointer()))
        one = self.builder.insert_element(self.none, x, ir.IntType(32)(0))
        return self.builder.shuffle_vector(one, self.none, ir.Constant(ir.VectorType(ir.IntType(32), self.width), None))

    def multiply_add(self, x, y, z):
        name = f"llvm.fmuladd.v{self.width}f{8 * self.bytes}"  # one instruction, or two where there is no such one
        f = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(self.type, [self.type] * 3), name)
        return self.builder.call(f, [x, y, z])

    def shuffle(self, x, y, lanes):
        return self.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), self.width), lanes))


def _tile(vectors, keep):
    @intrinsic
    def tile(context, like, a, row, step, rows, steps, b, c, fade):
        """C[:rows] = A[:rows] B, plus fade C[:rows] if `keep`; rows <= ROWS; all in byte addresses and strides."""

        def codegen(context, builder, signature, args):
            v = _Vectors(builder, like)
            _, a, row, step, rows, steps, b, c, fade = args
            offsets = [VECTOR_BYTES * j for j in range(vectors)]
            width = _INDEX(VECTOR_BYTES * VECTORS)
            last = v.at(rows, -1)
            valid = [builder.select(builder.icmp_signed("<", _INDEX(r), last), _INDEX(r), last) for r in range(ROWS)]
            a_rows = [v.at(a, builder.mul(r, row)) for r in valid]
            c_rows = [v.at(c, builder.mul(r, width)) for r in valid]

            before, loop, done = builder.block, builder.append_basic_block("step"), builder.append_basic_block("done")
            builder.cbranch(builder.icmp_signed(">", steps, _INDEX(0)), loop, done)
            builder.position_at_end(loop)
            s, a_at, b_at = (builder.phi(_INDEX) for _ in range(3))
            sums = [[builder.phi(v.type) for _ in offsets] for _ in valid]
            b_row = [v.load(v.at(b_at, offset)) for offset in offsets]
            news = []
            for a_row, old in zip(a_rows, sums, strict=True):
                x = v.broadcast(v.at(a_row, a_at))
                news.append([v.multiply_add(x, y, z) for y, z in zip(b_row, old, strict=True)])
            nexts = v.at(s, 1), v.at(a_at, step), v.at(b_at, width)
            for phi, start, new in zip((s, a_at, b_at), (_INDEX(0), _INDEX(0), b), nexts, strict=True):
                phi.add_incoming(start, before)
                phi.add_incoming(new, loop)
            builder.cbranch(builder.icmp_signed("<", nexts[0], steps), loop, done)

            builder.position_at_end(done)
            results = [[builder.phi(v.type) for _ in offsets] for _ in valid]
            for r, new in enumerate(news):
                for j, x in enumerate(new):
                    for phi in (sums[r][j], results[r][j]):
                        phi.add_incoming(v.zero, before)
                        phi.add_incoming(x, loop)
            if keep:  # all loads come before all stores, for the sake of the repeated row
                factors = [v.load(v.at(fade, offset)) for offset in offsets]
                for c_row, result in zip(c_rows, results, strict=True):
                    olds = [v.load(v.at(c_row, offset)) for offset in offsets]
                    result[:] = map(v.multiply_add, olds, factors, result)
            for c_row, result in zip(c_rows, results, strict=True):
                for x, offset in zip(result, offsets, strict=True):
                    v.store(x, v.at(c_row, offset))
            return context.get_dummy_value()

        return types.void(like, *[types.intp] * 8), codegen

    return tile


_full, _two, _one = (_tile(vectors, False) for vectors in (3, 2, 1))
_full_kept, _two_kept, _one_kept = (_tile(vectors, True) for vectors in (3, 2, 1))


@njit
def multiply(like, a, row, step, rows, steps, b, c, vectors):
    """C = A B for a strided A (rows, steps) and the first `vectors` vectors of the rows of B (steps, ...) and C (rows, ...)."""
    for r in range(0, rows, ROWS):
        here, left, there = a + r * row, min(rows - r, ROWS), c + r * VECTORS * VECTOR_BYTES
        if vectors == 3:
            _full(like, here, row, step, left, steps, b, there, 0)
        elif vectors == 2:
            _two(like, here, row, step, left, steps, b, there, 0)
        else:
            _one(like, here, row, step, left, steps, b, there, 0)


@njit
def multiply_onto(like, a, row, step, rows, steps, b, c, fade, vectors):
    """C = fade C + A B, as `multiply`; `fade` is a row of factors, one a column."""
    for r in range(0, rows, ROWS):
        here, left, there = a + r * row, min(rows - r, ROWS), c + r * VECTORS * VECTOR_BYTES
        if vectors == 3:
            _full_kept(like, here, row, step, left, steps, b, there, fade)
        elif vectors == 2:
            _two_kept(like, here, row, step, left, steps, b, there, fade)
        else:
            _one_kept(like, here, row, step, left, steps, b, there, fade)


@intrinsic
def add_transposed(context, like, table, row, c):
    """C (width, width) += table^T for a square of one vector's width; where the table has -inf, C becomes -inf."""

    def codegen(context, builder, signature, args):
        v = _Vectors(builder, like)
        _, table, row, c = args
        rows = [v.load(v.at(table, builder.mul(row, _INDEX(r)))) for r in range(v.width)]
        half = v.width // 2
        while half:  # swap the off-diagonal quarters of every square of 2 * half rows
            low = [x for i in range(v.width) for x in ((i,) if not i & half else (i - half + v.width,))]
            high = [x for i in range(v.width) for x in ((i + v.width,) if i & half else (i + half,))]
            for r in range(v.width):
                if not r & half:
                    x, y = rows[r], rows[r + half]
                    rows[r], rows[r + half] = v.shuffle(x, y, low), v.shuffle(x, y, high)
            half //= 2
        never = ir.Constant(v.type, [float("-inf")] * v.width)
        for r, x in enumerate(rows):
            there = v.at(c, VECTORS * VECTOR_BYTES * r)
            sum_ = builder.fadd(v.load(there), x)
            v.store(builder.select(builder.fcmp_ordered("==", x, never), never, sum_), there)
        return context.get_dummy_value()

    return types.void(like, types.intp, types.intp, types.intp), codegen


@intrinsic
def load(context, like, address):
    """The number of the type of `like` at a byte address."""

    def codegen(context, builder, signature, args):
        return builder.load(builder.inttoptr(args[1], context.get_value_type(like).as_pointer()))

    return like(like, types.intp), codegen


@intrinsic
def pointer(context, like, address):
    """A byte address as a pointer to numbers of the type of `like`, for `numba.carray`."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[1], context.get_value_type(like).as_pointer())

    return types.CPointer(like)(like, types.intp), codegen


@intrinsic
def take_ticket(context, counter):
    """Add one to the integer at the byte address `counter`, at once for all threads, and give what it was."""

    def codegen(context, builder, signature, args):
        place = builder.inttoptr(args[0], _INDEX.as_pointer())
        return builder.atomic_rmw("add", place, _INDEX(1), "monotonic")

    return types.intp(types.intp), codegen
