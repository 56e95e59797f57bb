import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.viz import png
from tests.viz.png_reader import read_png


@st.composite
def level_arrays(draw: st.DrawFn) -> NDArray[np.uint8]:
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    data = draw(st.binary(min_size=height * width, max_size=height * width))
    return np.frombuffer(data, dtype=np.uint8).reshape(height, width)


@given(level_arrays())
def test_a_reader_gets_the_levels_back(levels: NDArray[np.uint8]) -> None:
    pixels, _ = read_png(png.encode(levels, "#102030"))
    assert np.array_equal(pixels, levels)


def test_the_palette_is_one_colour_from_transparent_to_the_opacity() -> None:
    _, palette = read_png(png.encode(np.zeros((1, 1), np.uint8), "#102030", opacity=0.5))
    assert (palette[:, :3] == [0x10, 0x20, 0x30]).all()
    assert palette[0, 3] == 0
    assert palette[255, 3] == 128
    assert (np.diff(palette[:, 3].astype(int)) >= 0).all()


def test_rows_that_repeat_cost_next_to_nothing() -> None:
    line = np.random.default_rng(0).integers(0, 256, 1000).astype(np.uint8)
    assert len(png.encode(np.tile(line, (1000, 1)), "#000000")) < 8_000
