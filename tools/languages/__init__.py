"""One module a language: how a candidate in it is built and loaded, and what a model is told about it."""
