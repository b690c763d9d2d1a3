"""Run an experiment: `vae-sweep`, from a checkout."""

from experiments.commands.sweep import main

if __name__ == "__main__":
    main()
