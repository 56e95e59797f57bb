"""The main job on real data: design, verify, store, train and time one sparse layer."""

from rbgp_graphs.demo.run import DemoResult, run

__all__ = ["DemoResult", "run"]
