"""One training as the reference does it: a script that is started once for each.

A `DataLoader` decodes every image through PIL in every epoch, each step waits for its loss, torch
chooses its threads, AdamW is the default one. Evaluation and MLflow tracking are per epoch. It
stands alone on purpose: nothing of the project makes it faster or slower.
"""

from __future__ import annotations

import argparse

import mlflow
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import MNIST
from torchvision.utils import make_grid

TRANSFORMS = {
    "none": [transforms.ToTensor()],
    "grayscale": [transforms.Grayscale(), transforms.ToTensor()],
    "binarize": [transforms.ToTensor(), torch.bernoulli],
}


class VAE(nn.Module):
    def __init__(self, encoder: str, hidden_dim: int = 400, latent_dim: int = 20) -> None:
        super().__init__()
        depth = {"mlp1": 0, "mlp3": 2}[encoder]
        more = [m for _ in range(depth) for m in (nn.Linear(hidden_dim, hidden_dim), nn.ReLU())]
        self.body = nn.Sequential(nn.Linear(784, hidden_dim), nn.ReLU(), *more)
        self.mean = nn.Linear(hidden_dim, latent_dim)
        self.log_var = nn.Linear(hidden_dim, latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, 784),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.body(x)
        mean, log_var = self.mean(hidden), self.log_var(hidden)
        z = mean + torch.exp(log_var / 2) * torch.randn_like(mean)
        return self.decoder(z), mean, log_var


def loss_terms(model: VAE, x: Tensor, loss: str) -> tuple[Tensor, Tensor]:
    """Sums over the batch."""
    decoded, mean, log_var = model(x)
    if loss == "sse":
        reconstruction = ((x - decoded) ** 2).sum()
    else:
        reconstruction = F.binary_cross_entropy(decoded, x, reduction="sum")
    return reconstruction, 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum()


def run_epoch(
    model: VAE, batches: DataLoader, loss: str, optimizer: torch.optim.Optimizer | None
) -> dict[str, float]:
    """Means over the batches; trains if there is an optimiser."""
    sums = {"reconstruction": 0.0, "kl": 0.0, "loss": 0.0}
    for images, _ in batches:
        reconstruction, kl = loss_terms(model, images.flatten(1), loss)
        total = reconstruction + kl
        if optimizer is not None:
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
        for name, term in (("reconstruction", reconstruction), ("kl", kl), ("loss", total)):
            sums[name] += term.item()
    return {name: value / len(batches) for name, value in sums.items()}


def train(arguments: argparse.Namespace) -> None:
    torch.manual_seed(arguments.seed)
    steps = transforms.Compose(TRANSFORMS[arguments.transform])
    data = MNIST(arguments.data_dir, train=True, transform=steps)
    n_train = len(data) - arguments.val_subset
    train_set = Subset(data, range(n_train))
    val_set = Subset(data, range(n_train, len(data)))
    train_batches = DataLoader(train_set, batch_size=100, shuffle=True)
    val_batches = DataLoader(val_set, batch_size=100)
    model = VAE(arguments.encoder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-5)
    lowest = float("inf")
    for epoch in range(1, arguments.epochs + 1):
        trained = run_epoch(model, train_batches, arguments.loss, optimizer)
        with torch.no_grad():
            validated = run_epoch(model, val_batches, arguments.loss, None)
            samples = model.decoder(torch.randn(64, 20)).view(-1, 1, 28, 28)
        mlflow.log_metrics({f"train/{name}": value for name, value in trained.items()}, epoch)
        mlflow.log_metrics({f"val/{name}": value for name, value in validated.items()}, epoch)
        picture = make_grid(samples, nrow=8).permute(1, 2, 0).numpy()
        mlflow.log_image(picture, key="samples", step=epoch, synchronous=True)
        if validated["loss"] < lowest:
            lowest = validated["loss"]
            torch.save(model.state_dict(), "lowest.pt")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", choices=("mlp1", "mlp3"), required=True)
    parser.add_argument("--loss", choices=("sse", "bce"), required=True)
    parser.add_argument("--transform", choices=tuple(TRANSFORMS), required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--val-subset", type=int, required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--seed", type=int, default=3435)
    arguments = parser.parse_args()
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("reference")
    with mlflow.start_run():
        mlflow.log_params(vars(arguments))
        train(arguments)


if __name__ == "__main__":
    main()
