"""Products over several processes: tensor parallelism by splitting the outer graph.

`ShardedMatrix` is one rank's share of a matrix, and a `Communicator` joins the ranks:
`SingleProcess`, `TorchCommunicator` over torch.distributed, or `CupyCommunicator` over
cupyx.distributed.
"""

from rbgp_graphs.gpu.distributed.communicator import (
    Communicator,
    SingleProcess,
    broadcast_pattern,
)
from rbgp_graphs.gpu.distributed.cupy_communicator import CupyCommunicator
from rbgp_graphs.gpu.distributed.matrix import ShardedMatrix
from rbgp_graphs.gpu.distributed.shard import Shard, row_shard, world_sizes
from rbgp_graphs.gpu.distributed.torch_communicator import TorchCommunicator

__all__ = [
    "Communicator",
    "CupyCommunicator",
    "Shard",
    "ShardedMatrix",
    "SingleProcess",
    "TorchCommunicator",
    "broadcast_pattern",
    "row_shard",
    "world_sizes",
]
