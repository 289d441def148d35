"""The papermill engine of the runner: a notebook is written once, when it ends, however it ends.

Papermill saves before and after each cell, which for a notebook of fifty cells with pictures is most of what it writes.
"""

from __future__ import annotations

from typing import Any

from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines

ENGINE = "valuebook"


class _WrittenOnce(NotebookExecutionManager):
    def save(self, **kwargs: Any) -> None:
        if self.end_time is not None:
            super().save(**kwargs)


class OnceEngine(NBClientEngine):
    """nbclient, with one write at the end."""

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: Any = False,  # noqa: FBT002 - papermill's signature
        **kwargs: Any,
    ) -> Any:
        """Execute, and write the notebook also when its kernel died."""
        options = {name: kwargs.pop(name) for name in ("log_output", "autosave_cell_every") if name in kwargs}
        manager = _WrittenOnce(nb, output_path=output_path, progress_bar=progress_bar, **options)
        manager.notebook_start()
        try:
            cls.execute_managed_notebook(manager, kernel_name, **kwargs)
        finally:
            manager.notebook_complete()
        return manager.nb


papermill_engines.register(ENGINE, OnceEngine)
