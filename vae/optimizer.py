"""Optimizers: what moves the weights against their gradients.

A component of the kind is given `(parameters, lr, weight_decay)` and returns an object with the
methods and the `param_groups` of a `torch.optim.Optimizer`. Their names in experiment files are in
`registry.OPTIMIZERS`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Optimizer(Protocol):
    @property
    def param_groups(self) -> list[dict[str, Any]]: ...
    def zero_grad(self) -> None: ...
    def step(self) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any], /) -> None: ...


def adamw(
    parameters: Iterable[nn.Parameter],
    lr: float,
    weight_decay: float,
    *,
    betas: tuple[float, ...] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Optimizer:
    """`adamw`: Adam whose weight decay is no part of the gradient.

    Source: Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2.
    """
    return _fused("_fused_adamw_", torch.optim.AdamW, parameters, lr, weight_decay, betas, eps)


def adam(
    parameters: Iterable[nn.Parameter],
    lr: float,
    weight_decay: float,
    *,
    betas: tuple[float, ...] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Optimizer:
    """`adam`: weight decay is added to the gradient, as an L2 penalty's would be.

    Source: Kingma & Ba, Adam, ICLR 2015, algorithm 1.
    """
    return _fused("_fused_adam_", torch.optim.Adam, parameters, lr, weight_decay, betas, eps)


def sgd(
    parameters: Iterable[nn.Parameter],
    lr: float,
    weight_decay: float,
    *,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> Optimizer:
    """`sgd`: stochastic gradient descent, torch's own."""
    return torch.optim.SGD(
        parameters, lr, momentum, weight_decay=weight_decay, nesterov=nesterov, fused=True
    )


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Of the next step, for all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr


Kernel = Callable[..., None]


def _fused(
    kernel_name: str,
    public: Callable[..., Optimizer],
    parameters: Iterable[nn.Parameter],
    *settings: Any,
) -> Optimizer:
    """The private kernel without what `torch.optim` does around it, or else the public class."""
    kernel = fused_kernel(kernel_name)
    lr, weight_decay, betas, eps = settings
    if kernel is None:
        return public(parameters, lr, betas, eps, weight_decay, fused=True)
    return FusedAdam(kernel, parameters, lr, weight_decay, betas, eps)


@functools.cache
def fused_kernel(name: str) -> Kernel | None:
    """torch's own kernel of that private name, if this torch still has it as it was."""
    kernel: Kernel | None = getattr(torch, name, None)
    if kernel is None:
        return None
    lists = [[torch.full((1,), value)] for value in (0.0, 2.0, 0.0, 0.0, 1.0)]
    settings: dict[str, Any] = {"lr": 0.5, "weight_decay": 0.0, "betas": (0.9, 0.999), "eps": 1e-8}
    try:
        _call(kernel, lists, **settings)
    except (TypeError, RuntimeError):
        return None
    # Whatever its size, the first gradient moves a weight by the learning rate.
    return kernel if torch.allclose(lists[0][0], torch.tensor(-0.5)) else None


def _call(
    kernel: Kernel,
    lists: Sequence[list[Any]],
    *,
    lr: float,
    weight_decay: float,
    betas: tuple[float, ...],
    eps: float,
) -> None:
    """The one place that knows what the private kernels take; all is moved in place.

    Args:
        lists: parameters, gradients, running means of these and of their squares, counts of steps
    """
    parameters, gradients, means, squares, counts = lists
    kernel(
        parameters,
        gradients,
        means,
        squares,
        [],
        counts,
        lr=lr,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=weight_decay,
        eps=eps,
        amsgrad=False,
        maximize=False,
    )


class FusedAdam:
    """The numbers of `torch.optim.AdamW(fused=True)`, or Adam's, to the last bit, in less time.

    Hooks, profiling marks, and grouping parameters anew take torch's class nearly as long in every
    step as a matrix product of these networks do, and making one imports a compiler.
    """

    def __init__(
        self,
        kernel: Kernel,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float,
        betas: tuple[float, ...],
        eps: float,
    ) -> None:
        self._kernel = kernel
        self._parameters: list[Tensor] = list(parameters)
        self._settings: dict[str, Any] = {
            "lr": lr,
            "weight_decay": weight_decay,
            "betas": betas,
            "eps": eps,
        }
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        # Of the steps of each parameter: one tensor, and a view of it for each.
        self._counts = torch.zeros(len(self._parameters), device=self._parameters[0].device)
        self._count_of = list(self._counts.unbind())

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [self._settings]

    def zero_grad(self) -> None:
        """Forget all gradients, so that the next ones need not be added to them."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient against it; the others stay, count and all."""
        gradients = [parameter.grad for parameter in self._parameters]
        lists: list[list[Any]]
        lists = [self._parameters, gradients, self._means, self._squares, self._count_of]
        if any(gradient is None for gradient in gradients):
            present = [i for i, gradient in enumerate(gradients) if gradient is not None]
            lists = [[tensors[i] for i in present] for tensors in lists]
            for count in lists[-1]:
                count += 1
        else:
            self._counts += 1
        if lists[0]:
            _call(self._kernel, lists, **self._settings)

    def state_dict(self) -> dict[str, list[Tensor]]:
        """Running means of the gradients and of their squares; each parameter's steps so far."""
        return {"means": self._means, "squares": self._squares, "counts": [self._counts]}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Copy what `state_dict` gave; tensors may come from another device."""
        for name, own in self.state_dict().items():
            for tensor, stored in zip(own, state[name], strict=True):
                tensor.copy_(stored)
