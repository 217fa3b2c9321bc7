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

__all__ = ["VECTORS", "VECTOR_BYTES", "add_transposed", "multiply", "take_ticket"]


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


def _tile(vectors):
    @intrinsic
    def tile(context, a, row, step, rows, steps, b, c, fade):
        """C[:ROWS] = (fade *) C[:ROWS] + A[:rows] B; `fade` is a row of lanes, or None for C = A B. All in byte addresses."""
        element = b.dtype
        keep = not isinstance(fade, types.NoneType)

        def codegen(context, builder, signature, args):
            v = _Vectors(builder, element)
            a, row, step, rows, steps, b, c, fade = args
            width = _INDEX(VECTORS * VECTOR_BYTES)
            last = builder.sub(rows, _INDEX(1))
            valid = [_INDEX(r) for r in range(ROWS)]
            valid = [builder.select(builder.icmp_signed("<", r, last), r, last) for r in valid]
            a_rows = [v.at(a, builder.mul(r, row)) for r in valid]
            c_rows = [v.at(c, builder.mul(r, width)) for r in valid]

            before, loop, done = builder.basic_block, builder.append_basic_block("step"), builder.append_basic_block("done")
            builder.cbranch(builder.icmp_signed(">", steps, _INDEX(0)), loop, done)
            builder.position_at_end(loop)
            s, a_at, b_at = (builder.phi(_INDEX) for _ in range(3))
            for phi, start in ((s, _INDEX(0)), (a_at, _INDEX(0)), (b_at, b)):
                phi.add_incoming(start, before)
            sums = [[builder.phi(v.type) for _ in range(vectors)] for _ in range(ROWS)]
            b_row = [v.load(v.at(b_at, VECTOR_BYTES * j)) for j in range(vectors)]
            news = []
            for r in range(ROWS):
                x = v.broadcast(v.at(a_rows[r], a_at))
                news.append([v.multiply_add(x, b_row[j], sums[r][j]) for j in range(vectors)])
            s_next = v.at(s, 1)
            for phi, new in ((s, s_next), (a_at, v.at(a_at, step)), (b_at, v.at(b_at, width))):
                phi.add_incoming(new, loop)
            builder.cbranch(builder.icmp_signed("<", s_next, steps), loop, done)

            builder.position_at_end(done)
            results = [[builder.phi(v.type) for _ in range(vectors)] for _ in range(ROWS)]
            for r in range(ROWS):
                for j in range(vectors):
                    sums[r][j].add_incoming(v.zero, before)
                    sums[r][j].add_incoming(news[r][j], loop)
                    results[r][j].add_incoming(v.zero, before)
                    results[r][j].add_incoming(news[r][j], loop)
            if keep:  # all loads come before all stores, for the sake of the repeated row
                factors = [v.load(v.at(fade, VECTOR_BYTES * j)) for j in range(vectors)]
                olds = [[v.load(v.at(c_rows[r], VECTOR_BYTES * j)) for j in range(vectors)] for r in range(ROWS)]
                results = [
                    [v.multiply_add(olds[r][j], factors[j], results[r][j]) for j in range(vectors)] for r in range(ROWS)
                ]
            for r in range(ROWS):
                for j in range(vectors):
                    v.store(results[r][j], v.at(c_rows[r], VECTOR_BYTES * j))
            return context.get_dummy_value()

        data = [builder_address(element)] if False else None  # placeholder
        return types.void(a, row, step, rows, steps, b, c, fade), codegen

    return tile
