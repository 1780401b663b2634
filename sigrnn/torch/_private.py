"""The private names of PyTorch that sigrnn uses. They may change: `test_private_names` in tests/bridges reports
which."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd import forward_ad


def transforming() -> bool:
    """Whether the caller runs within `torch.func.grad`, `vmap`, `jvp` or the like; there is no public name for this."""
    return bool(torch._C._are_functorch_transforms_active())


def level() -> Any:
    """Number of the innermost of these transformations."""
    return torch._C._functorch.maybe_current_level()


def forward_mode() -> bool:
    """Whether the caller runs within `torch.autograd.forward_ad.dual_level`."""
    return bool(forward_ad._current_level >= 0)
