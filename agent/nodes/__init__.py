"""Nodes of the graph: one plain function a file, named like the node."""
