"""Variational autoencoders: networks, losses, data, training. Knows nothing of sweeps."""
