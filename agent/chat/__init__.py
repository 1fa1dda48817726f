"""A conversation with a person about one operator: from what they paste to the kernel they leave with."""
