"""The grid through Ray Tune: `python -m benchmarks.peer_ray EPOCHS TRACKING_URI FOLDER`."""

from __future__ import annotations

import sys

import ray
from ray import tune

from benchmarks import peer_trial


def main(epochs: int, tracking_uri: str, folder: str) -> None:
    peer_trial.create_experiment(tracking_uri)
    # A cluster of its own: without an address, ray.init joins whatever cluster is running here.
    ray.init(address="local", include_dashboard=False, log_to_driver=False, configure_logging=False)

    def trainable(fields: dict[str, str]) -> dict[str, float]:
        return {"return": peer_trial.run(fields, epochs, tracking_uri)}

    space = {name: tune.grid_search(names) for name, names in peer_trial.GRID.items()}
    one_core = tune.with_resources(trainable, {"cpu": 1})
    results = tune.Tuner(
        one_core, param_space=space, run_config=tune.RunConfig(storage_path=folder, verbose=0)
    ).fit()
    if results.num_errors or len(results) != len(peer_trial.points()):
        raise SystemExit(f"{results.num_errors} trials failed")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
