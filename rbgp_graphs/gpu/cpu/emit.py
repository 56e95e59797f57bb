"""Structured code on top of LLVM's builder: loops with carried values, vectors, job fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

#: What the function of a module is called.
ENTRY = "run"

I1, I8, I32, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
POINTER = ir.PointerType()
F16, F32, F64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()
#: LLVM's bfloat has no instructions on most processors, so its bits are handled as integers.
BF16 = ir.IntType(16)

Value = Any
Values = Sequence[Value]


class Emitter:
    """Writes one function of a module.

    Scalars of the code are 64-bit integers, addresses are opaque pointers, and memory is
    addressed in bytes. Loops are functions of the loop variable and the carried values.
    """

    def __init__(self, kind: ir.FunctionType) -> None:
        self.module = ir.Module(ENTRY)
        self.function = ir.Function(self.module, kind, name=ENTRY)
        self.build = ir.IRBuilder(self.function.append_basic_block("entry"))

    @property
    def arguments(self) -> Values:
        """The arguments of the function."""
        return self.function.args  # type: ignore[no-any-return]

    def finish(self) -> str:
        """End the function and return the module in LLVM's language."""
        self.build.ret_void()
        return str(self.module)

    # Integers and addresses -----------------------------------------------------------------

    @staticmethod
    def integer(number: int) -> Value:
        """Return a constant."""
        return ir.Constant(I64, number)

    def _operand(self, value: Value | int) -> Value:
        return self.integer(value) if isinstance(value, int) else value

    def add(self, *terms: Value | int) -> Value:
        """Return the sum of integers."""
        total, *rest = (self._operand(term) for term in terms)
        for term in rest:
            total = self.build.add(total, term)
        return total

    def sub(self, a: Value | int, b: Value | int) -> Value:
        """Return the difference of integers."""
        return self.build.sub(self._operand(a), self._operand(b))

    def mul(self, a: Value | int, b: Value | int) -> Value:
        """Return the product of integers."""
        return self.build.mul(self._operand(a), self._operand(b))

    def divmod(self, a: Value, b: Value) -> tuple[Value, Value]:
        """Return quotient and remainder of nonnegative integers."""
        quotient = self.build.udiv(a, b)
        return quotient, self.build.sub(a, self.build.mul(quotient, b))

    def smaller(self, a: Value | int, b: Value | int) -> Value:
        """Return the smaller of two integers."""
        left, right = self._operand(a), self._operand(b)
        return self.build.select(self.build.icmp_signed("<", left, right), left, right)

    def is_less(self, a: Value | int, b: Value | int) -> Value:
        """Return whether a < b."""
        return self.build.icmp_signed("<", self._operand(a), self._operand(b))

    def is_equal(self, a: Value | int, b: Value | int) -> Value:
        """Return whether a == b."""
        return self.build.icmp_signed("==", self._operand(a), self._operand(b))

    def at(self, address: Value, offset: Value | int) -> Value:
        """Return the address some bytes further on."""
        return self.build.gep(address, [self._operand(offset)], source_etype=I8)

    def load_int(self, address: Value, index: Value | int = 0) -> Value:
        """Return entry `index` of a table of 64-bit integers."""
        entry = self.build.gep(address, [self._operand(index)], source_etype=I64)
        return self.build.load(entry, typ=I64)

    def load_pointer(self, address: Value, index: Value | int = 0) -> Value:
        """Return entry `index` of a table of addresses."""
        return self.build.inttoptr(self.load_int(address, index), POINTER)

    def load_index(self, address: Value, index: Value | int = 0) -> Value:
        """Return entry `index` of a table of 32-bit integers."""
        entry = self.build.gep(address, [self._operand(index)], source_etype=I32)
        return self.build.sext(self.build.load(entry, typ=I32), I64)

    def call(self, address: Value, kind: ir.FunctionType, arguments: Values) -> None:
        """Call the function at an address."""
        self.build.call(_Callee(self.build.inttoptr(address, POINTER), kind), arguments)

    # Control --------------------------------------------------------------------------------

    def loop(
        self,
        start: Value | int,
        stop: Value | int,
        body: Callable[..., Sequence[Value] | None],
        carried: Values = (),
        step: int = 1,
    ) -> list[Value]:
        """Call ``body(i, *carried)`` for i in range(start, stop, step), at run time.

        The body returns the new carried values; the last ones are returned.
        """
        first, last = self._operand(start), self._operand(stop)
        build = self.build
        before = build.block
        head = build.append_basic_block("loop")
        done = build.append_basic_block("done")
        build.cbranch(self.is_less(first, last), head, done)
        build.position_at_end(head)
        index = build.phi(I64)
        index.add_incoming(first, before)
        inside = []
        for value in carried:
            phi = build.phi(value.type)
            phi.add_incoming(value, before)
            inside.append(phi)
        results = list(body(index, *inside) or ())
        following = self.add(index, step)
        after = build.block
        build.cbranch(self.is_less(following, last), head, done)
        index.add_incoming(following, after)
        for phi, result in zip(inside, results, strict=True):
            phi.add_incoming(result, after)
        build.position_at_end(done)
        merged = []
        for value, result in zip(carried, results, strict=True):
            phi = build.phi(value.type)
            phi.add_incoming(value, before)
            phi.add_incoming(result, after)
            merged.append(phi)
        return merged

    def repeat_while(
        self, body: Callable[..., tuple[Value, Sequence[Value]]], carried: Values = ()
    ) -> list[Value]:
        """Call ``body(*carried)`` at least once, as long as the first value it returns is true."""
        build = self.build
        before = build.block
        head = build.append_basic_block("again")
        done = build.append_basic_block("over")
        build.branch(head)
        build.position_at_end(head)
        inside = []
        for value in carried:
            phi = build.phi(value.type)
            phi.add_incoming(value, before)
            inside.append(phi)
        condition, results = body(*inside)
        after = build.block
        build.cbranch(condition, head, done)
        for phi, result in zip(inside, results, strict=True):
            phi.add_incoming(result, after)
        build.position_at_end(done)
        return list(results)

    def choose(
        self,
        condition: Value,
        then: Callable[[], Sequence[Value]],
        otherwise: Callable[[], Sequence[Value]],
    ) -> list[Value]:
        """Run one of two pieces of code and return the values of that one."""
        build = self.build
        with build.if_else(condition) as (yes, no):
            with yes:
                first = list(then())
                first_end = build.block
            with no:
                second = list(otherwise())
                second_end = build.block
        merged = []
        for a, b in zip(first, second, strict=True):
            phi = build.phi(a.type)
            phi.add_incoming(a, first_end)
            phi.add_incoming(b, second_end)
            merged.append(phi)
        return merged

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Run the code in the block only if the condition holds."""
        with self.build.if_then(condition):
            yield

    # Vectors --------------------------------------------------------------------------------

    def load_vector(self, kind: ir.VectorType, address: Value, align: int | None = None) -> Value:
        """Return the vector at an address; by default it need only have its elements aligned."""
        size = align or element_bytes(kind.element)
        return self.build.load(address, typ=kind, align=size)

    def store_vector(self, value: Value, address: Value, align: int | None = None) -> None:
        """Store a vector; by default the address need only have its elements aligned."""
        self.build.store(value, address, align=align or element_bytes(value.type.element))

    def stream_vector(self, value: Value, address: Value) -> None:
        """Store a vector past the caches; its address is a multiple of its size."""
        size = value.type.count * element_bytes(value.type.element)
        store = self.build.store(value, address, align=size)
        store.set_metadata("nontemporal", self.module.add_metadata([ir.Constant(I32, 1)]))

    def fence(self) -> None:
        """Let no thread see later stores before those made so far."""
        self.build.fence("seq_cst")

    def prefetch(self, address: Value) -> None:
        """Ask for the line at an address, which need not exist, to be read soon."""
        # For reading, to be kept in all caches, of data.
        options = [ir.Constant(I32, number) for number in (0, 3, 1)]
        self.intrinsic("llvm.prefetch.p0", ir.VoidType(), (address, *options))

    def constant(self, kind: Any, number: float) -> Value:
        """Return a floating-point number, or a vector of equal ones."""
        if isinstance(kind, ir.VectorType):
            return ir.Constant(kind, [number] * kind.count)
        return ir.Constant(kind, number)

    def splat(self, scalar: Value, lanes: int) -> Value:
        """Return a vector of equal elements."""
        kind = ir.VectorType(scalar.type, lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        single = self.build.insert_element(undefined, scalar, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
        return self.build.shuffle_vector(single, undefined, zeros)

    def shuffle(self, a: Value, b: Value, lanes: list[int]) -> Value:
        """Return lanes of two vectors joined end to end."""
        mask = ir.Constant(ir.VectorType(I32, len(lanes)), lanes)
        return self.build.shuffle_vector(a, b, mask)

    def add_lanes(self, vectors: list[Value]) -> Value:
        """Return a vector of the sums of the lanes of each of as many vectors as lanes."""
        lanes, size = len(vectors), 1
        while size < lanes:
            low, high = [], []
            for lane in range(lanes):
                start, place = lane // (2 * size) * 2 * size, lane % (2 * size)
                source = start + place % size + (lanes if place >= size else 0)
                low.append(source)
                high.append(source + size)
            vectors = [
                self.build.fadd(self.shuffle(a, b, low), self.shuffle(a, b, high))
                for a, b in zip(vectors[::2], vectors[1::2], strict=True)
            ]
            size *= 2
        (total,) = vectors
        return total

    def transpose(self, vectors: list[Value]) -> list[Value]:
        """Return the columns of a square matrix given by its rows."""
        lanes, size = len(vectors), 1
        while size < lanes:
            # Swap the off-diagonal blocks of every square of twice the size.
            upper = [lane + (lanes - size) * bool(lane & size) for lane in range(lanes)]
            lower = [lane + size + (lanes - size) * bool(lane & size) for lane in range(lanes)]
            rows = list(vectors)
            for i in range(lanes):
                if not i & size:
                    a, b = vectors[i], vectors[i + size]
                    rows[i], rows[i + size] = self.shuffle(a, b, upper), self.shuffle(a, b, lower)
            vectors, size = rows, 2 * size
        return vectors

    def intrinsic(self, name: str, result: Any, arguments: Values) -> Value:
        """Call an intrinsic function by its full name."""
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = self.module.globals.get(name) or ir.Function(self.module, kind, name=name)
        return self.build.call(function, arguments)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """Return a * b + c, rounded once."""
        return self.intrinsic(f"llvm.fma.{suffix(c.type)}", c.type, (a, b, c))

    def mask(self, count: Value, lanes: int) -> Value:
        """Return a vector of bools, true in the first `count` lanes."""
        numbers = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
        return self.build.icmp_signed("<", numbers, self.splat(count, lanes))

    def masked_load(self, kind: ir.VectorType, address: Value, mask: Value) -> Value:
        """Return the vector at an address, zero where the mask is false."""
        name = f"llvm.masked.load.{suffix(kind)}.p0"
        size = ir.Constant(I32, element_bytes(kind.element))
        zero = ir.Constant(kind, None)
        return self.intrinsic(name, kind, (address, size, mask, zero))

    @staticmethod
    def everywhere(lanes: int) -> Value:
        """Return a vector of bools that are all true."""
        return ir.Constant(ir.VectorType(I1, lanes), [1] * lanes)

    def gather(self, kind: ir.VectorType, addresses: Value, mask: Value | None = None) -> Value:
        """Return a vector of the numbers at addresses, given as integers; zero without mask."""
        places = self.build.inttoptr(addresses, ir.VectorType(POINTER, kind.count))
        size = ir.Constant(I32, element_bytes(kind.element))
        where = self.everywhere(kind.count) if mask is None else mask
        name = f"llvm.masked.gather.{suffix(kind)}.v{kind.count}p0"
        return self.intrinsic(name, kind, (places, size, where, ir.Constant(kind, None)))

    def scatter(self, value: Value, addresses: Value, mask: Value) -> None:
        """Store a vector at addresses, given as integers, where the mask is true."""
        count = value.type.count
        places = self.build.inttoptr(addresses, ir.VectorType(POINTER, count))
        size = ir.Constant(I32, element_bytes(value.type.element))
        name = f"llvm.masked.scatter.{suffix(value.type)}.v{count}p0"
        self.intrinsic(name, ir.VoidType(), (value, places, size, mask))

    def masked_store(self, value: Value, address: Value, mask: Value) -> None:
        """Store the elements of a vector where the mask is true."""
        name = f"llvm.masked.store.{suffix(value.type)}.p0"
        size = ir.Constant(I32, element_bytes(value.type.element))
        self.intrinsic(name, ir.VoidType(), (value, address, size, mask))


class _Callee:
    """A function known by its address; llvmlite itself only calls named ones."""

    def __init__(self, pointer: Value, kind: ir.FunctionType) -> None:
        self.function_type = kind
        self.type = pointer.type
        self.get_reference = pointer.get_reference


def element_bytes(kind: Any) -> int:
    """Return the size of a number."""
    sizes = {"half": 2, "float": 4, "double": 8}
    return sizes[str(kind)] if str(kind) in sizes else int(kind.width) // 8


def suffix(kind: Any) -> str:
    """Return how LLVM's intrinsics name a type."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{suffix(kind.element)}"
    names = {"half": "f16", "float": "f32", "double": "f64"}
    return names.get(str(kind)) or str(kind)
