"""The front doors: a graph for a shape, a pattern for a layer, and what there is to choose."""

from rbgp_graphs.selection.candidates import Candidate
from rbgp_graphs.selection.catalogue import Catalogue, CatalogueRecord
from rbgp_graphs.selection.cost_model import Ceilings, ceilings_of, predicted_seconds
from rbgp_graphs.selection.design import design
from rbgp_graphs.selection.design_space import design_space
from rbgp_graphs.selection.families import Family, FamilyMember, families
from rbgp_graphs.selection.own_catalogue import add_to_catalogue, own_catalogue_path
from rbgp_graphs.selection.ramanujan import ramanujan
from rbgp_graphs.selection.twist import twist

__all__ = [
    "Candidate",
    "Catalogue",
    "CatalogueRecord",
    "Ceilings",
    "Family",
    "FamilyMember",
    "add_to_catalogue",
    "ceilings_of",
    "design",
    "design_space",
    "families",
    "own_catalogue_path",
    "predicted_seconds",
    "ramanujan",
    "twist",
]
