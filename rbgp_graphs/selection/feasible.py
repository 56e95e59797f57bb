"""Which degrees a connected biregular graph of a given shape can have."""

from __future__ import annotations

import math


def is_connectable(left: int, right: int, degree: int) -> bool:
    """Return whether some connected simple graph has this shape and left degree on every vertex.

    All right degrees are equal too. A connected graph has at least ``left + right - 1`` edges.
    """
    return 1 <= degree <= right and left * degree % right == 0 and left * degree >= left + right - 1


def nearest_degrees(left: int, right: int, degree: float) -> list[int]:
    """Return the nearest left degrees below and above that are possible, in ascending order.

    Parameters
    ----------
    left, right : int
        The shape.
    degree : float
        The degree that was asked for.

    Returns
    -------
    list of int
        One or two degrees for which `is_connectable` holds; never empty, since the complete
        graph is connected.
    """
    step = right // math.gcd(left, right)
    smallest = -(-(left + right - 1) // (left * step)) * step
    below = math.floor(degree / step) * step
    near = {max(below, smallest), min(max(below + step, smallest), right)}
    return sorted(near)
