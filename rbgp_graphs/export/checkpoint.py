"""Checkpoints of PyTorch, read without running what is in them."""

from __future__ import annotations

import pickletools
import warnings
import zipfile
from typing import BinaryIO

from rbgp_graphs._validation import require
from rbgp_graphs.errors import FormatError
from rbgp_graphs.export.npz import check_bytes
from rbgp_graphs.export.tensors import StoredTensor, tensors_of

#: The pickle in a checkpoint may name these; all others are refused before PyTorch sees it.
_GLOBALS = {
    "collections": ("OrderedDict",),
    "torch": ("Size", "device", "*Storage", "*Tensor"),
    "torch._utils": ("_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_sparse_tensor"),
    "torch.nn.parameter": ("Parameter",),
    "torch.serialization": ("_get_layout",),
    "torch.storage": ("UntypedStorage",),
}
_DTYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64"),
)


def read_checkpoint(file: BinaryIO, limit: int) -> dict[str, StoredTensor]:
    """Return the tensors of a checkpoint that ``torch.save`` wrote.

    Parameters
    ----------
    file : binary file
        A state dict, or a dict with one under ``state_dict``, ``model_state_dict`` or ``model``.
    limit : int
        Largest number of bytes that the file may have, and any tensor when it is dense.

    Returns
    -------
    dict of str to StoredTensor
        In the order of the file.

    Raises
    ------
    FormatError
        If the file is not such an archive, its pickle names anything but tensors and
        containers, or more than `limit` bytes are needed.
    Exception
        What PyTorch raises on a damaged archive.

    Notes
    -----
    The pickle is scanned before PyTorch reads it, and PyTorch itself then builds tensors only
    (``weights_only=True``). The scan is narrower: it also refuses the calls that allocate what a
    small file asks for.
    """
    _check_archive(file, limit)
    file.seek(0)
    torch = require("torch", "torch")
    # PyTorch would walk the indices, however many a small file claims. They are checked later.
    quiet, unchecked = warnings.catch_warnings(), torch.sparse.check_sparse_tensor_invariants(False)
    with quiet, unchecked:
        warnings.filterwarnings("ignore", message="Sparse (CSR|CSC|BSR|BSC) tensor support is in")
        state = torch.load(file, map_location="cpu", weights_only=True)
    return tensors_of(state, limit)


def _check_archive(file: BinaryIO, limit: int) -> None:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        check_bytes(sum(member.file_size for member in members), limit)
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise FormatError("the archive is compressed, which torch.save never does")
        pickles = [member for member in members if member.filename.endswith("data.pkl")]
        if len(pickles) != 1:
            raise FormatError(f"the archive has {len(pickles)} pickles, expected data.pkl")
        _check_pickle(archive.read(pickles[0]))


def _check_pickle(data: bytes) -> None:
    """Raise if a pickle names anything but what tensors and containers are made of."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
            raise FormatError(f"the pickle has the opcode {opcode.name}, which is refused")
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            if not _is_harmless(module, name):
                raise FormatError(f"the pickle names {module}.{name}, which is refused")


def _is_harmless(module: str, name: str) -> bool:
    allowed = _GLOBALS.get(module, ())
    if name in allowed or (module == "torch" and name in _DTYPES):
        return True
    return any(
        word[0] == "*" and name.endswith(word[1:]) and name.isidentifier() for word in allowed
    )
