"""The two front doors: a Ramanujan graph for a shape, and a pattern for a layer."""
