"""The controller's side of judging on a device: names of tensors instead of bytes, questions instead of arithmetic."""
