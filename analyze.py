"""Compare configurations by their means over seeds: `vae-analyze`, from a checkout."""

from experiments.commands.analyze import main

if __name__ == "__main__":
    main()
