"""Masks and weights for other libraries, a file for each target, and the way back.

Every function takes a `rbgp_graphs.BipartiteGraph`, a `rbgp_graphs.TensorProduct` or a
`rbgp_graphs.RBGP4`, and optional values in the order of CSR. The target library is imported
inside the function.
"""

from rbgp_graphs.export.detect import Detection, detect
from rbgp_graphs.export.igraph import to_igraph
from rbgp_graphs.export.jax import to_jax
from rbgp_graphs.export.masked_module import apply_mask, apply_masks
from rbgp_graphs.export.masks import masks_for_model, read_masks, write_masks
from rbgp_graphs.export.networkx import to_networkx
from rbgp_graphs.export.numpy import to_numpy, unpack_bits
from rbgp_graphs.export.onnx import to_onnx
from rbgp_graphs.export.read import read_mask
from rbgp_graphs.export.scipy import to_scipy
from rbgp_graphs.export.state_dict import convert_state_dict
from rbgp_graphs.export.tensorflow import to_tensorflow
from rbgp_graphs.export.torch import to_torch
from rbgp_graphs.export.write import write

__all__ = [
    "Detection",
    "apply_mask",
    "apply_masks",
    "convert_state_dict",
    "detect",
    "masks_for_model",
    "read_mask",
    "read_masks",
    "to_igraph",
    "to_jax",
    "to_networkx",
    "to_numpy",
    "to_onnx",
    "to_scipy",
    "to_tensorflow",
    "to_torch",
    "unpack_bits",
    "write",
    "write_masks",
]
