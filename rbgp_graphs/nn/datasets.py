"""Images to train on: scikit-learn's digits, and CIFAR from a local folder."""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rbgp_graphs._validation import as_generator, require
from rbgp_graphs.encoding.atomic import as_path
from rbgp_graphs.errors import ArgumentError, FormatError

#: The largest batch file that is read. The largest of the real ones has 155 MB.
_LARGEST_FILE_BYTES = 1 << 28
_CIFAR_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class _Kind:
    """One of the two sets: its files (the last for testing), and the key of the labels."""

    name: str
    files: tuple[str, ...]
    key: str
    classes: int


_CIFAR = (
    _Kind("cifar-10", (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"), "labels", 10),
    _Kind("cifar-100", ("train", "test"), "fine_labels", 100),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Images with labels, for training and for testing.

    Attributes
    ----------
    name : str
        What they show.
    num_classes : int
        Labels are from 0 to one less.
    train, test : torch.Tensor of float32, shape (count, channels, height, width)
        The images, with mean 0 and standard deviation 1 over the training images of a channel.
    train_labels, test_labels : torch.Tensor of int64, shape (count,)
        Their labels.
    """

    name: str
    num_classes: int
    train: torch.Tensor
    train_labels: torch.Tensor
    test: torch.Tensor
    test_labels: torch.Tensor

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    @property
    def digest(self) -> str:
        """SHA-256 of all images and labels."""
        parts = (self.train, self.train_labels, self.test, self.test_labels)
        state = hashlib.sha256()
        for part in parts:
            state.update(part.contiguous().numpy().tobytes())
        return state.hexdigest()


def load_digits(*, rng: Any = 0) -> Images:
    """Return the 1797 handwritten digits of 8 x 8 pixels that come with scikit-learn.

    Parameters
    ----------
    rng : int, numpy.random.Generator or None
        Decides which 360 images are for testing: 36 of each digit.

    Returns
    -------
    Images
        1437 training and 360 test images with one channel.

    Raises
    ------
    MissingDependencyError
        If scikit-learn is not installed.

    Examples
    --------
    >>> images = load_digits()
    >>> images.train.shape, images.test.shape
    (torch.Size([1437, 1, 8, 8]), torch.Size([360, 1, 8, 8]))
    """
    found = require("sklearn.datasets", "demo").load_digits()
    labels = np.asarray(found.target)
    order = as_generator(rng).permutation(len(labels))
    held_out = np.concatenate([order[labels[order] == digit][:36] for digit in range(10)])
    is_test = np.zeros(len(labels), dtype=bool)
    is_test[held_out] = True
    pixels = np.asarray(found.images, dtype=np.float32)[:, None]
    return _standardized("digits", 10, pixels, labels, is_test)


def load_cifar(folder: Any) -> Images:
    """Read CIFAR-10 or CIFAR-100 from the files of its Python version.

    Parameters
    ----------
    folder : str or os.PathLike
        The unpacked archive: ``data_batch_1`` to ``data_batch_5`` and ``test_batch``, or ``train``
        and ``test``. Nothing is downloaded.

    Returns
    -------
    Images
        50,000 training and 10,000 test images of 32 x 32 pixels and three channels, if the files
        are complete; as many as the files hold.

    Raises
    ------
    ArgumentError
        If the folder does not hold these files or they cannot be read.
    FormatError
        If a file is not a batch of CIFAR.

    Notes
    -----
    The files are pickles, and a pickle can name any function to call. The reader admits only
    what those files need, the making of an array and of its type, and refuses the rest before it
    runs.
    """
    place = as_path(folder)
    found = next((kind for kind in _CIFAR if all((place / f).is_file() for f in kind.files)), None)
    if found is None:
        known = "; ".join(f"{kind.name} has {', '.join(kind.files)}" for kind in _CIFAR)
        raise ArgumentError(
            f"{place} holds no CIFAR; {known}. Unpack the archive of the Python version and name "
            "its folder"
        )
    batches = [_read_batch(place / file, found.key, found.classes) for file in found.files]
    pixels = np.concatenate([batch for batch, _ in batches])
    labels = np.concatenate([batch for _, batch in batches])
    is_test = np.zeros(len(labels), dtype=bool)
    is_test[-len(batches[-1][0]) :] = True
    return _standardized(found.name, found.classes, pixels, labels, is_test)


def _standardized(
    name: str,
    classes: int,
    pixels: NDArray[Any],
    labels: NDArray[Any],
    is_test: NDArray[np.bool_],
) -> Images:
    images = pixels.astype(np.float32)
    mean = images[~is_test].mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    spread = images[~is_test].std(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    images -= mean.astype(np.float32)
    images /= np.maximum(spread, 1e-6).astype(np.float32)
    marks = labels.astype(np.int64)
    return Images(
        name=name,
        num_classes=classes,
        train=torch.from_numpy(images[~is_test]),
        train_labels=torch.from_numpy(marks[~is_test]),
        test=torch.from_numpy(images[is_test]),
        test_labels=torch.from_numpy(marks[is_test]),
    )


# Batch files --------------------------------------------------------------------------------


class _StoredType:
    """Stands for the dtype in a pickle; nothing but bytes is accepted."""

    def __init__(self, code: Any, *_flags: Any) -> None:
        if code not in ("u1", b"u1"):
            raise FormatError(f"an array holds {code!r}, expected bytes (u1)")

    def __setstate__(self, _state: Any) -> None:
        """Ignore byte order and alignment, of which bytes have none."""


class _StoredArray:
    """Stands for an array in a pickle, so that no state reaches a real one unchecked."""

    content: NDArray[np.uint8]

    def __init__(self, *_arguments: Any) -> None:
        self.content = np.empty(0, dtype=np.uint8)

    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, is_fortran, data = state
        if not isinstance(kind, _StoredType) or not isinstance(data, bytes):
            raise FormatError("an array holds something else than bytes")
        order: Any = "F" if is_fortran else "C"
        self.content = np.frombuffer(data, dtype=np.uint8).reshape(shape, order=order)


def _encode(text: Any, encoding: Any) -> bytes:
    """Return bytes that protocol 2 of pickle has to write as text."""
    if not isinstance(text, str) or encoding != "latin1":
        raise FormatError("it encodes text as no batch does")
    return text.encode("latin1")


#: All that a batch names, and what it gets instead. The type itself is only passed on.
_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _StoredArray,
    ("numpy._core.multiarray", "_reconstruct"): _StoredArray,
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _StoredType,
    ("_codecs", "encode"): _encode,
}


class _BatchUnpickler(pickle.Unpickler):
    """Reads dicts, lists, numbers, bytes and arrays of bytes, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name that batches need; raise for every other."""
        if (module, name) not in _ADMITTED:
            raise FormatError(f"it names {module}.{name}, which no batch needs")
        return _ADMITTED[module, name]


def _read_batch(path: Path, key: str, classes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the pixels (count, 3, 32, 32) and the labels of one file."""
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise FormatError(f"{path} is larger than {_LARGEST_FILE_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        batch = _BatchUnpickler(io.BytesIO(data), encoding="bytes").load()
    except FormatError as error:
        raise FormatError(f"{path} is not a batch of CIFAR: {error}") from error
    except Exception as error:  # A damaged pickle can raise almost anything.
        raise FormatError(f"{path} is not a batch of CIFAR: {error}") from error
    if not isinstance(batch, dict):
        raise FormatError(f"{path} is not a batch of CIFAR: it holds no dict")
    named = {k.decode("latin1") if isinstance(k, bytes) else k: v for k, v in batch.items()}
    stored, labels = named.get("data"), named.get(key)
    pixels = stored.content if isinstance(stored, _StoredArray) else np.empty(0)
    if pixels.ndim != 2 or pixels.shape[1] != _CIFAR_PIXELS:
        raise FormatError(f"{path}: data is no array of bytes of shape (count, {_CIFAR_PIXELS})")
    if (
        not isinstance(labels, list)
        or len(labels) != len(pixels)
        or not all(type(label) is int and 0 <= label < classes for label in labels)
    ):
        raise FormatError(
            f"{path}: {key} is no list of {len(pixels)} numbers from 0 to {classes - 1}"
        )
    return pixels.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.int64)
