"""What several machines cannot share, told before anything is written."""

from __future__ import annotations

from experiments.execution.engine import Stores
from experiments.secrets import mask
from experiments.tracking.uris import is_server, sqlite_path
from vae.errors import BadInput

_SERVER = "mlflow server --backend-store-uri postgresql://… --artifacts-destination DIR"


def check_shared(place: str, stores: Stores, folders_are_shared: bool = False) -> None:
    """Raise BadInput where machines could not all write to what the sweep writes to.

    Args:
        place: which machines, to begin the message with
        folders_are_shared: they see the same folders, and the parent process alone writes to
            Optuna's storage, from one of them
    """
    uri = stores.tracking_uri
    if not is_server(uri):
        what = "the file" if sqlite_path(uri) else "the artifact folder that goes with"
        raise BadInput(
            f"{place}: they cannot share {what} {mask(uri)}; start `{_SERVER}` and give its "
            f"address as --tracking-uri"
        )
    if folders_are_shared:
        return
    if stores.optuna_storage and sqlite_path(stores.optuna_storage):
        raise BadInput(
            f"{place}: a study needs a storage that outlives this machine; start PostgreSQL and "
            f"give --optuna-storage postgresql://…"
        )
    from experiments.tracking.reader import artifact_location  # MLflow takes its time to import

    location = artifact_location(uri, stores.experiment)
    if location.startswith(("/", "file:", ".")):
        raise BadInput(
            f"{place}: they cannot share the artifact folder {location}; start the server with "
            f"--artifacts-destination, and give the experiment another name if it exists"
        )
