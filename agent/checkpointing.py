"""The graph's checkpoints: only the latest ones are kept, so that a long run's file does not grow with its square.

A resumed run goes on from the newest checkpoint; what happened before is told by the event log.
"""

from __future__ import annotations

import sqlite3

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.sqlite import SqliteSaver

KEPT = 3
"""Checkpoints: the newest one, and those before it in case a step is still writing beside one."""


class LatestSaver(SqliteSaver):
    """A SqliteSaver that forgets what nobody will ask for again."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._ids: list[str] = []

    def setup(self) -> None:
        """Make the tables. The disk is waited for at a checkpoint of the database only: a lost step is done again."""
        super().setup()
        self.conn.execute("PRAGMA synchronous=NORMAL")

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint and remove those that are older than the last few."""
        saved = super().put(config, checkpoint, metadata, new_versions)
        self._ids.append(checkpoint["id"])
        if len(self._ids) > KEPT:
            self._ids = self._ids[-KEPT:]
            where = (str(config["configurable"]["thread_id"]), self._ids[0])
            with self.cursor() as cursor:
                # Ids begin with the time: the order of the text is that of the steps.
                for table in ("checkpoints", "writes"):
                    cursor.execute(f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id < ?", where)  # noqa: S608 - our names
        return saved
