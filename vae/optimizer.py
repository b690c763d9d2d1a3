"""AdamW: torch's fused kernel, without the bookkeeping that `torch.optim` does around it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_BETAS, _EPSILON = (0.9, 0.999), 1e-8


class AdamW:
    """The numbers of `torch.optim.AdamW(fused=True)`, to the last bit, in less time.

    Hooks, profiling marks, and grouping parameters anew take torch's class nearly as long in every
    step as a matrix product of these networks do, and making one imports a compiler.

    Source: Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        self._parameters: list[Tensor] = list(parameters)
        self._lr = lr
        self._weight_decay = weight_decay
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        self._step = torch.zeros((), device=self._parameters[0].device)

    def zero_grad(self) -> None:
        """Forget all gradients, so that the next ones need not be added to them."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter against its gradient; all of them must have one."""
        self._step += 1
        torch._fused_adamw_(
            self._parameters,
            [parameter.grad for parameter in self._parameters],  # type: ignore[misc]
            self._means,
            self._squares,
            [],
            [self._step] * len(self._parameters),
            lr=self._lr,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            weight_decay=self._weight_decay,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self) -> dict[str, list[Tensor]]:
        """Running means of the gradients and of their squares; the number of steps so far."""
        return {"means": self._means, "squares": self._squares, "step": [self._step]}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Copy what `state_dict` gave; tensors may come from another device."""
        for name, own in self.state_dict().items():
            for tensor, stored in zip(own, state[name], strict=True):
                tensor.copy_(stored)
