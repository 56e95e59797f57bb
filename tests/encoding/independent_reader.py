"""A second reader of .rbgp files: slow, trusting, and written from docs/file_format.md alone.

It shares no code with the package, so it fails when the page and the package disagree.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.int64]
CONWAY = {4: (1, 1), 8: (1, 1, 0), 9: (2, 2), 16: (1, 1, 0, 0)}  # all but the leading coefficient


def read(data: bytes) -> tuple[Matrix, Any, list[Matrix]]:
    """Return the matrix, the values as a dense matrix or None, and the stored factors."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length].decode("ascii"))
    document = json.loads(header["__metadata__"]["rbgp"])
    digits = document["sha256"].encode()
    assert hashlib.sha256(data.replace(digits, b"0" * 64)).hexdigest().encode() == digits
    assert document["version"] == [1, 0]
    recipe = document["recipe"]
    if document["type"] == "graph":
        matrix = graph(recipe)
        stored = [matrix]
    else:
        matrix, stored = pattern(recipe)
    assert document["digests"] == [digest(factor) for factor in stored]
    if "values" not in header:
        assert len(data) == 8 + length
        return matrix, None, stored
    dtype = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}[header["values"]["dtype"]]
    values = np.frombuffer(data[8 + length :], dtype).reshape(header["values"]["shape"])
    dense = np.zeros(matrix.shape, dtype=dtype)
    for row, entries in zip(range(len(matrix)), values, strict=True):
        dense[row, np.flatnonzero(matrix[row])] = entries
    return matrix, dense, stored


def claims(data: bytes) -> dict[str, bool]:
    """Return which parts a file claims to be Ramanujan, or not; check the plainest proofs."""
    (length,) = struct.unpack("<Q", data[:8])
    document = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["rbgp"])
    matrix = read(data)[0]
    found = {}
    for part, entry in document.get("certificates", {}).items():
        assert entry.keys() == {"claim", "proof"}
        found[part] = entry["claim"]
        if part == "whole":
            check(entry["proof"], entry["claim"], matrix)
    return found


def check(proof: dict[str, Any], claim: bool, matrix: Matrix) -> None:
    """Check a proof of the kinds that need a line, with no more than this page says."""
    left, right = matrix.shape
    wide = matrix if left <= right else matrix.T
    gram = wide @ wide.T
    degrees = int(matrix[0].sum()), int(matrix[:, 0].sum())
    t = sum(degrees) - 2 + 2 * math.sqrt(math.prod(d - 1 for d in degrees))
    if proof["kind"] == "gram_identity":
        s = proof["square"]
        product = gram @ (gram - s * np.eye(len(gram), dtype=np.int64))
        assert (product == product[0, 0]).all()
        assert claim is (s <= t)
    elif proof["kind"] == "disconnected":
        inside = np.array(bits(proof["mask"], left + right))
        assert 0 < inside.sum() < left + right
        assert all(inside[u] == inside[left + v] for u, v in edges_of(matrix))
        assert not claim
    elif proof["kind"] == "test_vector":
        data = base64.b64decode(proof["entries"])
        x = np.array(struct.unpack(f"<{len(gram)}i", data))
        assert x.sum() == 0
        assert x @ gram @ x > t * (x @ x)
        assert not claim
    elif proof["kind"] == "two_sided" and proof["lower"]["kind"] == "test_vector":
        data = base64.b64decode(proof["lower"]["entries"])
        x = np.array(struct.unpack(f"<{len(gram)}i", data))
        low = sum(degrees) - 2 - 2 * math.sqrt(math.prod(d - 1 for d in degrees))
        assert x @ gram @ x < low * (x @ x)
        assert not claim


def bits(text: str, count: int) -> list[int]:
    data = base64.b64decode(text)
    return [data[place // 8] >> (7 - place % 8) & 1 for place in range(count)]


def words(text: str) -> list[int]:
    data = base64.b64decode(text)
    return list(struct.unpack(f"<{len(data) // 4}I", data))


def edges_of(matrix: Matrix) -> list[tuple[int, int]]:
    return [(int(u), int(v)) for u, v in np.argwhere(matrix)]


def digest(matrix: Matrix) -> str:
    left, right = matrix.shape
    pointers = [0, *itertools.accumulate(int(row.sum()) for row in matrix)]
    numbers = pointers + [v for _, v in edges_of(matrix)]
    content = f"{left} {right}\n".encode() + struct.pack(f"<{len(numbers)}q", *numbers)
    return hashlib.sha256(content).hexdigest()


def graph(recipe: dict[str, Any]) -> Matrix:
    kind = recipe["kind"]
    if kind == "complete":
        return np.ones((recipe["left"], recipe["right"]), dtype=np.int64)
    if kind == "bitmask":
        shape = recipe["left"], recipe["right"]
        return np.array(bits(recipe["bits"], shape[0] * shape[1]), dtype=np.int64).reshape(shape)
    if kind == "edges":
        matrix = np.zeros((recipe["left"], recipe["right"]), dtype=np.int64)
        neighbors = iter(words(recipe["neighbors"]))
        for u, degree in enumerate(words(recipe["left_degrees"])):
            for _ in range(degree):
                matrix[u, next(neighbors)] = 1
        return matrix
    if kind == "transpose":
        return graph(recipe["of"]).T
    if kind == "abelian_cover":
        return abelian_cover(recipe)
    if kind in ("two_lift", "cyclic_lift", "lift"):
        return lift(recipe)
    families: dict[str, Callable[..., Matrix]] = {
        "array_code": array_code,
        "projective_plane": projective_plane,
        "affine_plane": affine_plane,
        "chiu": chiu,
        "field_lift": field_lift,
        "margulis_gabber_galil": margulis_gabber_galil,
        "lps": lps,
    }
    parameters = {key: value for key, value in recipe.items() if key not in ("kind", "allow_small")}
    return families[kind](**parameters)


def abelian_cover(recipe: dict[str, Any]) -> Matrix:
    a, b, orders = recipe["left"], recipe["right"], recipe["orders"]
    elements = [*itertools.product(*map(range, orders))]
    k = len(elements)
    places = itertools.product(range(a), range(b), range(k))
    matrix = np.zeros((a * k, b * k), dtype=np.int64)
    for (i, j, d), bit in zip(places, bits(recipe["blocks"], a * b * k), strict=True):
        for g in range(k if bit else 0):
            digits = zip(elements[g], elements[d], orders, strict=True)
            end = elements.index(tuple((x + y) % order for x, y, order in digits))
            matrix[i * k + g, j * k + end] = 1
    return matrix


def lift(recipe: dict[str, Any]) -> Matrix:
    base = graph(recipe["base"])
    edges = edges_of(base)
    k = recipe.get("k", 2)
    copies: list[list[int]]
    if recipe["kind"] == "two_lift":
        copies = [[[0, 1], [1, 0]][bit] for bit in bits(recipe["signs"], len(edges))]
    elif recipe["kind"] == "cyclic_lift":
        copies = [[(i + s) % k for i in range(k)] for s in words(recipe["shifts"])]
    else:
        numbers = words(recipe["permutations"])
        copies = [numbers[k * e : k * (e + 1)] for e in range(len(edges))]
    matrix = np.zeros((k * base.shape[0], k * base.shape[1]), dtype=np.int64)
    for (u, v), permutation in zip(edges, copies, strict=True):
        for i, target in enumerate(permutation):
            matrix[u + i * base.shape[0], v + target * base.shape[1]] = 1
    return matrix


class Field:
    """Arithmetic on the numbers of field elements."""

    def __init__(self, q: int) -> None:
        self.q = q
        self.p = next(p for p in range(2, q + 1) if q % p == 0)
        self.k = next(k for k in range(1, 30) if self.p**k == q)

    def digits(self, x: int) -> list[int]:
        return [x // self.p**place % self.p for place in range(self.k)]

    def add(self, x: int, y: int) -> int:
        pairs = zip(self.digits(x), self.digits(y), strict=True)
        return sum((a + b) % self.p * self.p**i for i, (a, b) in enumerate(pairs))

    def multiply(self, x: int, y: int) -> int:
        if self.k == 1:
            return x * y % self.q
        product = [0] * (2 * self.k)
        for i, a in enumerate(self.digits(x)):
            for j, b in enumerate(self.digits(y)):
                product[i + j] += a * b
        for place in range(2 * self.k - 1, self.k - 1, -1):
            for i, c in enumerate(CONWAY[self.q]):
                product[place - self.k + i] -= product[place] * c
            product[place] = 0
        return sum(c % self.p * self.p**i for i, c in enumerate(product[: self.k]))


def array_code(q: int, l: int) -> Matrix:  # noqa: E741 - the name in the file
    matrix = np.zeros((q * q, l * q), dtype=np.int64)
    for i, r, j in itertools.product(range(q), range(q), range(l)):
        matrix[i * q + r, j * q + (r + i * j) % q] = 1
    return matrix


def projective_plane(q: int) -> Matrix:
    field = Field(q)
    pairs = list(itertools.product(range(q), repeat=2))
    lines = [(a, b, 1) for a, b in pairs] + [(a, 1, 0) for a in range(q)] + [(1, 0, 0)]
    points = [(1, y, z) for y, z in pairs] + [(0, 1, z) for z in range(q)] + [(0, 0, 1)]

    def product(line: tuple[int, ...], point: tuple[int, ...]) -> int:
        total = 0
        for a, x in zip(line, point, strict=True):
            total = field.add(total, field.multiply(a, x))
        return total

    return np.array([[product(line, point) == 0 for point in points] for line in lines]).astype(
        np.int64
    )


def affine_plane(q: int) -> Matrix:
    field = Field(q)
    matrix = np.zeros((q * q, q * q + q), dtype=np.int64)
    for x, m, c in itertools.product(range(q), repeat=3):
        matrix[x * q + field.add(field.multiply(m, x), c), m * q + c] = 1
    for x, y in itertools.product(range(q), repeat=2):
        matrix[x * q + y, q * q + x] = 1
    return matrix


def margulis_gabber_galil(n: int) -> Matrix:
    matrix = np.zeros((n * n, n * n), dtype=np.int64)
    for x, y in itertools.product(range(n), repeat=2):
        for u, v in ((x, y), (x, x + y), (x, x + y + 1), (x + y, y), (x + y + 1, y)):
            matrix[x * n + y, u % n * n + v % n] = 1
    return matrix


def field_lift(q: int, b: int, m: int, j: int) -> Matrix:
    field = Field(q)
    p = field.p
    size = p**j
    matrix = np.zeros((q * size, b * size), dtype=np.int64)
    for x, y in itertools.product(range(q), range(b)):
        kept: list[int] = []
        power = x
        for _ in range(m):
            power = field.multiply(power, y)
            kept += field.digits(power)
        for s in range(size):
            t = sum((s // p**i + kept[i]) % p * p**i for i in range(j))
            matrix[x * size + s, y * size + t] = 1
    return matrix


def chiu(q: int) -> Matrix:
    i, r = (next(n for n in range(q) if (n * n - square) % q == 0) for square in (-2, -26))
    return cayley(q, [(1, 0, 0, -1), (2 + i, r, r, 2 - i), (2 - i, -r, -r, 2 + i)])


def lps(p: int, q: int) -> Matrix:
    pairs = itertools.product(range(q), repeat=2)
    x, y = next((x, y) for x, y in pairs if (x * x + y * y + 1) % q == 0)
    solutions: set[tuple[int, ...]] = set()
    for found in itertools.product(range(-math.isqrt(p), math.isqrt(p) + 1), repeat=4):
        wanted = [1, 0, 0, 0] if p % 4 == 1 else [0, 1, 1, 1]
        opposite = tuple(-n for n in found)
        if sum(n * n for n in found) == p and [n % 2 for n in found] == wanted:
            solutions.add(max(found, opposite))
    assert len(solutions) == p + 1
    factors = [
        (a0 + a1 * x - a3 * y, a1 * y + a2 + a3 * x, a1 * y - a2 + a3 * x, a0 - a1 * x + a3 * y)
        for a0, a1, a2, a3 in solutions
    ]
    return cayley(q, factors)


def cayley(q: int, factors: list[tuple[int, int, int, int]]) -> Matrix:
    squares = sorted({n * n % q for n in range(1, q)})
    others = [n for n in range(1, q) if n not in squares]

    def number(a: int, b: int, c: int, d: int) -> int:
        scale = pow(c if c % q else d, -1, q)
        a, b, c, d = (n * scale % q for n in (a, b, c, d))
        point, entry = (d, a) if c else (q, b)
        determinant = (a * d - b * c) % q
        rank = (squares if determinant in squares else others).index(determinant)
        return (point * q + entry) * ((q - 1) // 2) + rank

    size = q * (q * q - 1) // 2
    matrix = np.zeros((size, size), dtype=np.int64)
    normal = [(a, b, 1, d) for a, b, d in itertools.product(range(q), repeat=3)]
    normal += [(a, b, 0, 1) for a, b in itertools.product(range(q), repeat=2)]
    for a, b, c, d in normal:
        if (a * d - b * c) % q not in squares:
            continue
        for e, f, g, h in factors:
            right = number(a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
            matrix[number(a, b, c, d), right] += 1
    return matrix


def pattern(recipe: dict[str, Any]) -> tuple[Matrix, list[Matrix]]:
    """Return the mask and the stored factors."""
    if recipe["kind"] == "tensor_product":
        factors = [graph(factor) for factor in recipe["factors"]]
        mask = np.ones((1, 1), dtype=np.int64)
        for factor in factors:
            mask = np.kron(mask, factor)
        return mask, factors
    assert recipe["kind"] == "rbgp4"
    outer, inner = graph(recipe["outer"]), graph(recipe["inner"])
    repeat, block = (np.ones(recipe[key], dtype=np.int64) for key in ("repeat", "block"))
    edges = edges_of(outer)
    shifts = words(recipe["shifts"]) if "shifts" in recipe else [0] * len(edges)
    axis = 0 if recipe.get("shift_side") == "left" else 1
    n = inner.shape[axis]
    height, width = (repeat.shape[i] * inner.shape[i] * block.shape[i] for i in (0, 1))
    mask = np.zeros((outer.shape[0] * height, outer.shape[1] * width), dtype=np.int64)
    for (u, v), s in zip(edges, shifts, strict=True):
        moved = np.zeros_like(inner)
        for old in range(n):
            new = old ^ s if n & (n - 1) == 0 else (old + s) % n
            if axis == 0:
                moved[new] = inner[old]
            else:
                moved[:, new] = inner[:, old]
        tile = np.kron(np.kron(repeat, moved), block)
        mask[u * height : (u + 1) * height, v * width : (v + 1) * width] = tile
    return mask, [outer, inner]
