"""A model in channels-last layout, as people convert it. Runs inside a sandbox."""

from __future__ import annotations

from typing import Any

import torch

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""By dimensions of a tensor."""


def _converted(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dim() in FORMATS:
        return value.contiguous(memory_format=FORMATS[value.dim()])
    return value


class ChannelsLast(torch.nn.Module):  # type: ignore[misc]  # torch is unknown to mypy
    """Calls a model whose weights are in that layout on inputs that it converts first."""

    def __init__(self, model: torch.nn.Module) -> None:
        """``model`` keeps its values; its weights change their layout."""
        super().__init__()
        self.model = model
        self.train(model.training)
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.data = _converted(tensor.data)

    def forward(self, *inputs: Any) -> Any:
        """The model's answer; converting the inputs is part of the call."""
        return self.model(*map(_converted, inputs))
