"""The knowledge tree: short documents about languages, chips and methods, found by an index, then read."""
