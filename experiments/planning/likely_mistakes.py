"""What an experiment asks for that its author may not mean: told before it is run."""

from __future__ import annotations

from experiments.spec.experiment import Experiment
from vae.consistency import warnings


def likely_mistakes(experiment: Experiment) -> list[str]:
    """A line each, and each once, however many configurations it is true of."""
    study = experiment.study
    asked = study.corner_configurations() if study else experiment.configurations
    return list(dict.fromkeys(line for configuration in asked for line in warnings(configuration)))
