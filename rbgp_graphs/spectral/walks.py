r"""Upper bounds on singular values from exact counts of closed walks.

Let G be the Gram matrix on the smaller side of a connected biregular graph, n its size and t the
threshold. Take numbers s, P, k and the scaled Chebyshev polynomial
:math:`R_k(x) = P^k T_k(2^{s+1} x / P - 1)`, which has integer coefficients and increases above
:math:`P / 2^s`. The sum of :math:`R_k(\lambda)^2` over all eigenvalues is the trace of
:math:`R_k(G)^2`, a combination of counts of closed walks. If it exceeds the term of the trivial
eigenvalue by less than :math:`R_k(t)^2`, then every other eigenvalue is below t.

The trace is the sum of :math:`|R_k(G) e_u|^2` over the vertices u of the side, and vertices that a
symmetry of the graph exchanges have equal terms. Symmetries come as permutations that are
proposed for a family; each is checked on the graph, and then only saves work.

The vectors are computed modulo coprime numbers whose product exceeds every possible value.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.threshold import Threshold

#: Largest degree k and number s of bits.
LARGEST_DEGREE, LARGEST_BITS = 1024, 40
#: Multiplications of a vector entry that a proof may take.
_LARGEST_WORK = 2**36
#: Vectors that are computed together: about this many numbers.
_CHUNK = 2**22


def propose(rows: Rows, threshold: Threshold, largest: float) -> tuple[int, int, int] | None:
    """Return parameters of `is_proof` that should work, or None if there is too little room.

    Parameters
    ----------
    rows : Rows
        The matrix of a connected biregular graph.
    threshold : Threshold
        The bound.
    largest : float
        The largest nontrivial eigenvalue, as computed.

    Returns
    -------
    bits, inner, degree : int
        The numbers s, P and k.
    """
    room = float(threshold) - largest
    if room <= 1e-9 * float(threshold):
        return None
    bits = max(0, math.ceil(math.log2(4 / room)))
    inner = max(1, math.ceil(largest * 2**bits))
    ratio = threshold.floor(bits) / inner
    if ratio <= 1 or bits > LARGEST_BITS:
        return None
    degree = math.ceil(math.acosh(math.sqrt(rows.size) + 1) / math.acosh(2 * ratio - 1))
    return (bits, inner, degree) if degree <= LARGEST_DEGREE else None


def is_proof(
    rows: Rows,
    threshold: Threshold,
    orbits: NDArray[np.int64],
    bits: int,
    inner: int,
    degree: int,
) -> bool:
    """Say whether the counts of closed walks prove that all eigenvalues but one stay below t.

    Parameters
    ----------
    rows : Rows
        The matrix of a connected biregular graph.
    threshold : Threshold
        The bound t.
    orbits : ndarray of int64, shape (n,)
        For each row the number of its orbit under symmetries of the Gram matrix.
    bits, inner, degree : int
        The numbers s, P and k.

    Returns
    -------
    bool
        True if every eigenvalue but the trivial one is below t. False says nothing.
    """
    if not (0 <= bits <= LARGEST_BITS and 1 <= degree <= LARGEST_DEGREE and 0 < inner < 2**60):
        return False
    outer = threshold.floor(bits)
    # The images of vectors with entries below 2**30 must fit into 64 bits.
    if outer <= inner or rows.trivial >= 2**32:
        return False
    trivial = _value(rows.trivial << bits, inner, degree)
    limit = max(abs(trivial), inner**degree)
    _, places, counts = np.unique(orbits, return_index=True, return_counts=True)
    moduli = _coprime_numbers(rows.size * limit * limit)
    if rows.size * rows.largest_degree * degree * len(moduli) * len(places) > _LARGEST_WORK:
        return False
    total = 0
    for place, count in zip(places.tolist(), counts.tolist(), strict=True):
        total += count * _squared_norm(rows, place, bits, inner, degree, moduli)
    return total - trivial**2 < _value(outer, inner, degree) ** 2


def _value(scaled: int, inner: int, degree: int) -> int:
    """Return R_k at ``scaled / 2**bits``."""
    before, value = 1, 2 * scaled - inner
    for _ in range(degree - 1):
        before, value = value, 2 * (2 * scaled - inner) * value - inner * inner * before
    return value


def _squared_norm(
    rows: Rows, place: int, bits: int, inner: int, degree: int, moduli: list[int]
) -> int:
    """Return the squared norm of R_k(G) e_u, which is less than the product of the moduli."""
    matrix = rows.matrix.astype(np.int64)
    transposed = sparse.csr_array(matrix.T)
    step = max(1, _CHUNK // matrix.shape[1])
    residues: list[int] = []
    for start in range(0, len(moduli), step):
        some = moduli[start : start + step]
        vector = _vector(matrix, transposed, place, bits, inner, degree, some)
        squares = vector * vector % np.array(some)
        residues += (int(x) % m for x, m in zip(squares.sum(axis=0), some, strict=True))
    return _remainder(residues, moduli)


def _vector(
    matrix: Any,
    transposed: Any,
    place: int,
    bits: int,
    inner: int,
    degree: int,
    moduli: list[int],
) -> NDArray[np.int64]:
    """Return R_k(G) e_u modulo each number, one column for each."""
    modulus = np.array(moduli)
    on_image, on_itself, on_before = (
        np.array([number % m for m in moduli])
        for number in (2 ** (bits + 2), -2 * inner, -inner * inner)
    )
    half_image, half_itself = (
        np.array([number % m for m in moduli]) for number in (2 ** (bits + 1), -inner)
    )
    before = np.zeros((matrix.shape[0], len(moduli)), dtype=np.int64)
    before[place] = 1
    vector: NDArray[np.int64] = _image(matrix, transposed, before, modulus) * half_image
    vector += before * half_itself
    vector %= modulus
    for _ in range(degree - 1):
        image = _image(matrix, transposed, vector, modulus)
        # Every product is below 2**60, so that the three of them fit into 64 bits.
        image *= on_image
        before *= on_before
        before += image
        before += vector * on_itself
        before %= modulus
        before, vector = vector, before
    return vector


def _image(
    matrix: Any, transposed: Any, vector: NDArray[np.int64], modulus: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return G x; the sums are below sigma1 squared times 2**30."""
    image: NDArray[np.int64] = matrix @ (transposed @ vector)
    image %= modulus
    return image


def _coprime_numbers(limit: int) -> list[int]:
    """Return pairwise coprime numbers below 2**30 whose product is more than a limit."""
    found: list[int] = []
    product, number = 1, 2**30 - 1
    while product <= limit:
        if math.gcd(number, product) == 1:
            found.append(number)
            product *= number
        number -= 2
    return found


def _remainder(residues: list[int], moduli: list[int]) -> int:
    """Return the number below the product of the moduli with these residues (Garner)."""
    value, product = 0, 1
    for residue, modulus in zip(residues, moduli, strict=True):
        value += product * ((residue - value) * pow(product, -1, modulus) % modulus)
        product *= modulus
    return value
