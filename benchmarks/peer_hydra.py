"""The grid through Hydra's joblib launcher: `python -m benchmarks.peer_hydra --multirun …`."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from benchmarks import peer_trial


@hydra.main(version_base=None, config_path="peer_hydra_conf", config_name="config")
def main(config: DictConfig) -> float:
    fields = {name: config[name] for name in peer_trial.GRID}
    return peer_trial.run(fields, config.epochs, config.tracking_uri)


if __name__ == "__main__":
    main()
