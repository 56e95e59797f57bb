from typing import Any

import numpy as np
import pytest
from scipy import sparse

from rbgp_graphs import RBGP4, complete, design, projective_plane, viz
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import block_sparse, butterfly, n_of_m, unstructured
from rbgp_graphs.spectral import mask_measures
from tests.viz.png_reader import read_image
from tests.viz.test_pattern import shrink

PATTERN = design(64, 64, 0.75)
PRUNED = sparse.csr_array(np.abs(np.random.default_rng(0).standard_normal((64, 64))) > 1.15)
PEERS: dict[str, Any] = {
    "ours": PATTERN,
    "random": unstructured(64, 64, 0.75),
    "blocks": block_sparse(64, 64, 0.75),
    "1:4": n_of_m(64, 64, 1, 4),
    "<b>butterfly</b> & more": butterfly(64, 64, (4, 4)),
    "pruned": PRUNED,
    "plane": projective_plane(3),
}


@pytest.fixture(scope="module")
def figure() -> Any:
    return viz.compare(*PEERS.values(), names=[*PEERS])


def test_pictures_are_the_masks(figure: Any) -> None:
    pictures = figure.layout.images
    assert len(pictures) == len({picture.xref for picture in pictures}) == len(PEERS)
    for picture, peer in zip(pictures, PEERS.values(), strict=True):
        if hasattr(peer, "mask"):
            expected = peer.mask()
        else:
            expected = (peer.biadjacency() if hasattr(peer, "biadjacency") else peer).toarray()
        assert np.array_equal(shrink(read_image(picture), expected.shape), 255 * expected)


def test_bars_and_table_are_the_measures(figure: Any) -> None:
    ratios, sizes = (trace for trace in figure.data if trace.type == "bar")
    rows = figure.layout.meta["rows"]
    for k, (name, peer) in enumerate(PEERS.items()):
        found = mask_measures(peer)
        assert ratios.x[k] == found.ratio
        assert rows[k][0] == name
        assert rows[k][3] == f"{found.ratio:.4f}"
        assert rows[k][4] == f"{found.cover_ratio:.4f}"
        assert rows[k][5] == ("not defined" if found.delta_r is None else f"{found.delta_r:.4g}")
    csr = sparse.csr_array(PRUNED)
    # In KiB, from 0.
    assert sizes.x[0] == PATTERN.index_bytes / 1024
    assert sizes.x[5] == 4 * (csr.nnz + 65) / 1024
    assert rows[0][8] == f"{PATTERN.index_bytes:,} (product)"
    assert rows[5][8] == f"{4 * (csr.nnz + 65):,} (CSR)"


def test_names_are_shown_as_text(figure: Any) -> None:
    titles = [note.text for note in figure.layout.annotations]
    assert titles[4] == "<b>&lt;b&gt;butterfly&lt;…</b><br>64 × 64"
    labels = next(figure.select_traces({"type": "scatter"})).text
    assert labels[4].startswith("&lt;b&gt;butterfly&lt;/b&gt; &amp; more: ")


def test_masks_that_fall_apart_are_named() -> None:
    text = viz.compare(np.eye(4, dtype=bool), complete(4, 4)).layout.meta["text"]
    assert "falls apart: mask 1." in text
    assert "smallest σ₂/σ₁ is 0, of mask 2" in text


def test_twisted_patterns_say_so() -> None:
    shifts = np.arange(16) % 7
    twisted = RBGP4(complete(4, 4), (1, 1), projective_plane(2), (1, 1), shifts=shifts)
    assert viz.compare(twisted).layout.meta["rows"][0][0] == "RBGP4, twisted"


@pytest.mark.parametrize(
    ("arguments", "names", "error", "match"),
    [
        ((), None, ArgumentError, "0 patterns"),
        ([complete(2, 2)] * 10, None, ArgumentError, "10 patterns were given, expected 1 to 9"),
        ([complete(2, 2)], ["a", "b"], ArgumentError, "names has 2 entries, expected 1"),
        ([complete(2, 2)], "a", ArgumentTypeError, "names is 'a'"),
        ([complete(2, 2)], [3], ArgumentTypeError, "names is"),
        (["mask"], None, ArgumentTypeError, "p is 'mask'"),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, names: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        viz.compare(*arguments, names=names)
