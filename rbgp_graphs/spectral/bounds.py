"""Bounds on the second singular value of a biregular graph."""

from __future__ import annotations

import math

from rbgp_graphs._validation import as_int


def ramanujan_bound(left_degree: int, right_degree: int) -> float:
    r"""Return the Ramanujan bound :math:`\sqrt{d_l-1}+\sqrt{d_r-1}`.

    Parameters
    ----------
    left_degree, right_degree : int
        Degrees of a biregular graph, at least 1.

    Returns
    -------
    float
        The spectral radius of the infinite biregular tree with these degrees.

    Raises
    ------
    ArgumentError
        If a degree is below 1.

    Notes
    -----
    A connected biregular graph is Ramanujan if its second singular value keeps to this bound.
    No infinite family can do better in the limit [1]_.

    References
    ----------
    .. [1] K. Feng and W.-C. W. Li, Spectra of hypergraphs and applications,
       J. Number Theory 60 (1996), 1-22.

    Examples
    --------
    >>> ramanujan_bound(5, 10)
    5.0
    """
    dl = as_int("left_degree", left_degree, minimum=1)
    dr = as_int("right_degree", right_degree, minimum=1)
    return math.sqrt(dl - 1) + math.sqrt(dr - 1)


def compare_square_with_bound(square: int, left_degree: int, right_degree: int) -> int:
    r"""Compare :math:`\sqrt{square}` with the Ramanujan bound exactly.

    Returns
    -------
    int
        -1 if it is below the bound, 0 if equal, 1 if above; decided in integers.

    Examples
    --------
    >>> compare_square_with_bound(12, 4, 4)  # 2 sqrt(3) on both sides
    0
    """
    # The square of the bound is dl + dr - 2 + 2 sqrt((dl - 1)(dr - 1)).
    excess = square - (left_degree + right_degree - 2)
    if excess < 0:
        return -1
    difference = excess * excess - 4 * (left_degree - 1) * (right_degree - 1)
    return (difference > 0) - (difference < 0)


def trace_bound(left: int, right: int, left_degree: int) -> float:
    r"""Return the smallest second singular value that the trace of the Gram matrix allows.

    Parameters
    ----------
    left, right : int
        Sizes of the sides, at least 1.
    left_degree : int
        The left degree; ``left * left_degree`` is a multiple of `right`.

    Returns
    -------
    float
        :math:`\sqrt{d_s (n - d_o)/(n - 1)}` for the smaller side with :math:`n` vertices of
        degree :math:`d_s`, the other degree being :math:`d_o`; 0 if n is 1.

    Raises
    ------
    ArgumentError
        If a size is below 1 or the degree leaves 1..right.

    Notes
    -----
    The squares of all singular values sum to the number of edges. Equality holds if all but the
    largest are equal, as in projective planes.

    Examples
    --------
    >>> trace_bound(7, 7, 3) ** 2  # the Heawood graph meets it: sigma_2 = sqrt(2)
    2.0000000000000004
    """
    left, right = as_int("left", left, minimum=1), as_int("right", right, minimum=1)
    left_degree = as_int("left_degree", left_degree, minimum=1, maximum=right)
    small = min(left, right)
    if small == 1:
        return 0.0
    num_edges = left * left_degree
    return math.sqrt(max(0.0, num_edges - num_edges**2 / (left * right)) / (small - 1))
