"""In which order rows of tiles are computed: those that read the same of X one after the other."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

#: Graphs with more edges stay in their order: looking for a better one would take too long.
_MOST_EDGES = 1 << 15


def visiting_order(neighbors: NDArray[np.int64], capacity: int) -> NDArray[np.int64]:
    """Return an order of the rows of a table that finds much of what it reads in a cache.

    The next row is always the one with the most neighbours in a cache of `capacity` neighbours
    that forgets the least recently used one. Graphs made by algebra need it most: their own order
    goes round all neighbours again and again, and nothing is left in the cache when it is needed.

    Parameters
    ----------
    neighbors : ndarray of int64, shape (rows, degree)
        What each row reads. Every number occurs equally often.
    capacity : int
        How many neighbours the cache holds.

    Returns
    -------
    ndarray of int64, shape (rows,)
        A permutation; the identity if everything fits or the table is very large.
    """
    count, degree = neighbors.shape
    right = int(neighbors.max()) + 1
    if capacity >= right or neighbors.size > _MOST_EDGES:
        return np.arange(count)
    readers = np.argsort(neighbors, axis=None, kind="stable").reshape(right, -1) // degree
    cached: OrderedDict[int, None] = OrderedDict()
    found = np.zeros(count, np.int64)
    order = np.empty(count, np.int64)
    for step in range(count):
        row = order[step] = found.argmax()
        # No change can make a row that is done the best one again.
        found[row] = -count * degree
        read = neighbors[row].tolist()
        entering = [tile for tile in read if tile not in cached]
        for tile in read:
            cached[tile] = None
            cached.move_to_end(tile)
        leaving = [cached.popitem(last=False)[0] for _ in range(len(cached) - capacity)]
        np.add.at(found, readers[entering], 1)
        np.subtract.at(found, readers[leaving], 1)
    return order
