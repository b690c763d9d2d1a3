"""Evaluate a trained model from MLflow: `vae-evaluate`, from a checkout."""

from experiments.commands.evaluate import main

if __name__ == "__main__":
    main()
