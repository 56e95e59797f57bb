"""The law that the singular values of large random biregular graphs follow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError


def limit_density(left_degree: int, right_degree: int, x: ArrayLike) -> NDArray[np.float64]:
    r"""Return the limit density of the singular values of large biregular graphs.

    Parameters
    ----------
    left_degree, right_degree : int
        Degrees of at least 2. Exchanging them changes nothing.
    x : array_like of float
        Where to evaluate the density.

    Returns
    -------
    ndarray of float64, shape of x
        The density at each x; 0 outside the support
        :math:`[|\sqrt{d_l-1}-\sqrt{d_r-1}|, \sqrt{d_l-1}+\sqrt{d_r-1}]`. For degrees (2, 2) it
        is infinite at x = 2.

    Raises
    ------
    ArgumentTypeError
        If a degree is not an integer or x does not hold real numbers.
    ArgumentError
        If a degree is below 2 (then all singular values are equal, and there is no density) or
        x holds NaN.

    Notes
    -----
    With :math:`a \ge b` the two degrees,

    .. math:: f(x) = \frac{a}{\pi} \frac{\sqrt{4(a-1)(b-1) - (x^2-(a-1)-(b-1))^2}}{x (ab - x^2)}

    This is a probability density for the singular values of the smaller side, whose vertices
    have the larger degree: as many values as that side has vertices, and no atom. On the
    larger side there are in addition zeros, an atom of weight :math:`1 - b/a` at 0, and f has
    the weight :math:`b/a`.

    It is the spectral measure of the infinite biregular tree at a vertex of degree a, folded
    at 0; its 2k-th moment is the number of closed walks of length 2k there. The singular values
    of biregular graphs follow it in the limit if short cycles are few [1]_, as in random graphs
    or if the girth grows. For equal degrees it is the law of Kesten and McKay [2]_. The limit
    speaks about all values together; the largest, :math:`\sqrt{ab}`, lies outside the support
    and has weight 0, and of graphs with many short cycles it says nothing.

    References
    ----------
    .. [1] C. D. Godsil and B. Mohar, Walk generating functions and spectral measures of infinite
       graphs, Linear Algebra Appl. 107 (1988), 191-206.
    .. [2] B. D. McKay, The expected eigenvalue distribution of a large regular graph, Linear
       Algebra Appl. 40 (1981), 203-216.

    Examples
    --------
    >>> limit_density(3, 3, [0, 1, 3]).round(4)
    array([0.3001, 0.3158, 0.    ])
    """
    degrees = (
        as_int("left_degree", left_degree, minimum=2),
        as_int("right_degree", right_degree, minimum=2),
    )
    b, a = sorted(degrees)
    points = _as_reals(x)
    low, high = math.sqrt(a - 1) - math.sqrt(b - 1), math.sqrt(a - 1) + math.sqrt(b - 1)
    density = np.zeros(points.shape)
    inside = (points >= low) & (points <= high)
    s = points[inside]
    # The root is a product of differences to the ends, which loses no digits close to them.
    upper = (high - s) * (high + s)
    root = np.sqrt(upper) if a == b else np.sqrt(upper * (s - low) * (s + low)) / s
    with np.errstate(divide="ignore", invalid="ignore"):
        values = a / math.pi * root / (a * b - s * s)
    density[inside] = np.where(np.isnan(values), np.inf, values)
    return density


def _as_reals(x: Any) -> NDArray[np.float64]:
    points = np.asarray(x)
    if points.dtype.kind not in "iufb":
        raise ArgumentTypeError(f"x has dtype {points.dtype}, expected real numbers")
    points = points.astype(np.float64)
    if np.isnan(points).any():
        raise ArgumentError("x holds NaN, expected numbers")
    return points
