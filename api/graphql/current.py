"""The schema of the model in use: built beside the requests, which are answered by the one before meanwhile."""

from __future__ import annotations

import gc
import logging
import threading

from api.graphql.schema import ModelSchema, build_schema
from cmdb.store import GraphStore
from schema.model import Model

logger = logging.getLogger(__name__)


class CurrentSchema:
    """The schema that is served.

    Parameters
    ----------
    store
        Whose model it is of. The first schema is built at once.

    Attributes
    ----------
    schema
        The newest that has been built.
    """

    def __init__(self, store: GraphStore) -> None:
        self._store = store
        self._lock, self._building = threading.Lock(), threading.Lock()
        self._model: Model = store.model
        self._thread: threading.Thread | None = None
        self.schema: ModelSchema = build_schema(self._model)

    def look(self) -> None:
        """Begin to build the schema of a newer model, if there is one. Asks the store, now and then."""
        if self._store.model is self._model:
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._try, name="schema", daemon=True)
                self._thread.start()

    def renew(self) -> None:
        """Build it now, where there is a newer model: who changed the model waits for it."""
        with self._building:
            model = self._store.model
            if model is not self._model:
                self.schema = build_schema(model)
                self._model = model
                settle()

    def close(self) -> None:
        """Wait for what was begun."""
        if self._thread is not None:
            self._thread.join()

    def _try(self) -> None:
        try:
            self.renew()
        except Exception:  # the next request tries again
            logger.exception("The schema of the model could not be built.")


def settle() -> None:
    """Take what there is out of what the garbage collector goes through.

    The schema of a large model is hundreds of thousands of objects that stay: collecting what requests leave
    behind must not go through them again and again.
    """
    gc.collect()
    gc.freeze()
