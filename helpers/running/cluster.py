"""Past one machine: the same jobs on a Dask cluster.

A worker is sent all that a job reads of the kit's own (params, findings of other topics, the client's ledgers) and sends back
the files that it made. The client alone writes reports, so a worker that dies takes nothing with it: Dask runs its jobs
again elsewhere. Data files must be where the params say on every worker. `distributed` is an extra: `pip install valuebook[dask]`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.data.places import sha256_of
from helpers.errors import ParamsError
from helpers.params import ROOT
from helpers.reporting.export import append_lines, read_lines, write_bytes
from helpers.reporting.words import _
from helpers.running.digests import of_files, of_json
from helpers.running.execute import Outcome, Setting, lost, run_job
from helpers.running.kernels import Kind, kind_of
from helpers.running.plan import earlier, in_series, ledgers, params_files, reads
from helpers.running.records import FOLDER, begin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from helpers.running.plan import Job

Files = dict[str, bytes]


class DaskExecutor:
    """Jobs on a cluster.

    Args:
        address: Of the scheduler, such as `tcp://host:8786`.
        setting: What all jobs share.
        asked: Kind of kernels; workers decide for themselves unless given.

    Raises:
        ParamsError: The cluster cannot be reached, has no workers, or runs other code or libraries than this client.
    """

    def __init__(self, address: str, *, setting: Setting, asked: Kind | None = None) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise ParamsError("--executor dask needs Dask: pip install 'valuebook[dask]'") from error
        self.setting, self.asked = setting, asked
        try:
            self.client = Client(address, timeout="20s", set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise ParamsError(f"--scheduler: no Dask scheduler answers at {address} ({error})") from error
        self.tasks: list[Any] = []
        try:
            _check_same(self.client.run(fingerprint), address)
        except BaseException:
            self.client.close()
            raise

    def submit(self, job: Job, made_of: Mapping[str, str] | None, *, before: str | None) -> Future[Outcome]:
        """Send a job to the cluster."""
        begin(self.setting.reports / job.client / job.period, job.topic)
        task = self.client.submit(
            run_away,
            job,
            made_of,
            _contents(params_files(job.client, self.setting.params), self.setting.params),
            _inputs(job, self.setting.reports, before),
            replace(self.setting, params=Path(), reports=Path()),
            self.asked,
            pure=False,
            retries=1,
        )
        self.tasks.append(task)
        ended: Future[Outcome] = Future()
        task.add_done_callback(lambda done: self._take(done, job, ended))
        return ended

    def stop(self) -> None:
        """Take back all jobs."""
        self.client.cancel(self.tasks, force=True)

    def close(self) -> None:
        """Leave the cluster."""
        self.client.close()

    def _take(self, task: Any, job: Job, ended: Future[Outcome]) -> None:
        try:
            ended.set_result(self._taken(task, job))
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            ended.set_exception(error)

    def _taken(self, task: Any, job: Job) -> Outcome:
        from distributed import KilledWorker

        try:
            outcome, files, lines = task.result()
        except KilledWorker as error:
            # It took one worker after another down with it: that is this job's failure, and no other's.
            return lost(
                job, setting=self.setting, reason=_("Every worker that tried it died: {told}").format(told=error)
            )
        # Ledgers first: the record, which makes the job count, is the last of the files.
        for name, new in lines.items():
            append_lines(self.setting.params / name, new)
        _write(files, self.setting.reports / job.client)
        return outcome


def fingerprint() -> dict[str, str]:
    """What must be the same on client and workers, each as it reads."""
    import platform
    from importlib.metadata import version

    return {
        "python": platform.python_version(),
        "helpers": of_files(path for path in (ROOT / "helpers").rglob("*") if path.suffix in {".py", ".po"})[:12],
        "notebooks": of_files(sorted((ROOT / "notebooks").glob("*.ipynb")))[:12],
        "requirements.lock": sha256_of(ROOT / "requirements.lock")[:12],
        "libraries": of_json({name: version(name) for name in ("pandas", "numpy", "pymc", "duckdb", "papermill")})[:12],
    }


def _check_same(found: Mapping[str, Mapping[str, str]], address: str) -> None:
    if not found:
        raise ParamsError(f"--scheduler: the cluster at {address} has no workers")
    here = fingerprint()
    for worker, there in found.items():
        if other := [
            f"{name} {there.get(name)} there, {here[name]} here" for name in here if there.get(name) != here[name]
        ]:
            raise ParamsError(f"--executor dask: worker {worker} differs from this client: {'; '.join(other)}")


def run_away(
    job: Job, made_of: Mapping[str, str] | None, params: Files, inputs: Files, setting: Setting, asked: Kind | None
) -> tuple[Outcome, Files, dict[str, list[str]]]:
    """On a worker: run one job in a folder of its own.

    Returns:
        Its outcome; its files by path within the client's folder, the record last; and what it added to ledgers, by path within
        the params folder.
    """
    with tempfile.TemporaryDirectory(prefix="valuebook-") as base:
        beside, folder = Path(base) / "params", Path(base) / "reports" / job.client
        _write(params, beside)
        _write(inputs, folder)
        kind, _why = kind_of(asked)
        there = replace(setting, params=beside, reports=Path(base) / "reports", kernel=kind)
        outcome = run_job(job, setting=there, ingredients=made_of)
        study = folder / job.period
        made = [
            *study.glob(f"{job.topic}.*"),
            *(study / "tables").glob(f"{job.topic}.*"),
            *(study / FOLDER).glob(f"{job.topic}.json"),
        ]
        lines = {}
        for path in ledgers(job.client, beside):
            name = str(path.relative_to(beside))
            sent = len(params.get(name, b"").splitlines())
            lines[name] = read_lines(path)[sent:]
        return outcome, _contents(made, folder), lines


def _inputs(job: Job, reports: Path, before: str | None) -> Files:
    """What a job reads of earlier runs: findings and tables of other topics, and its own of earlier periods."""
    client = reports / job.client
    read = [(client / job.period, topic) for topic in reads(job.topic)]
    if before and in_series(job.topic):
        read.append((client / before, job.topic))
    paths = [
        path for study, topic in read for path in (study / f"{topic}.json", *(study / "tables").glob(f"{topic}.*"))
    ]
    paths += earlier(job.topic, client, job.period)
    return _contents(dict.fromkeys(path for path in paths if path.is_file()), client)


def _contents(paths: Iterable[Path], folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _write(files: Files, folder: Path) -> None:
    for name, content in files.items():
        write_bytes(folder / name, content)


class Mirror:
    """A local copy of folders of params and reports that are elsewhere: any path that fsspec knows, such as `s3://bucket/reports`.

    What is written locally goes there by `push` when the run ends, also by Ctrl-C, with the records last. A run that is killed
    sends nothing: what it had done is done again.
    """

    def __init__(self, url: str, *, folder: Path) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise ParamsError(f"{url}: needs fsspec: pip install 'valuebook[dask]'") from error
        self.files, self.path = fsspec.core.url_to_fs(url)
        self.folder = folder

    def pull(self) -> Path:
        """Fetch all that is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in self.files.find(self.path) if self.files.exists(self.path) else []:
            local = self.folder / os.path.relpath(name, self.files._strip_protocol(self.path))  # noqa: SLF001
            local.parent.mkdir(parents=True, exist_ok=True)
            with self.files.open(name, "rb") as there, local.open("wb") as here:
                shutil.copyfileobj(there, here)
        self.state = self._state()
        return self.folder

    def push(self) -> None:
        """Send what changed since the last time, and take away there what was taken away here; records go last."""
        now = self._state()
        changed = [name for name in now if self.state.get(name) != now[name]]
        for name in sorted(changed, key=lambda name: (FOLDER in Path(name).parts, name)):
            there = f"{self.path.rstrip('/')}/{name}"
            self.files.makedirs(there.rpartition("/")[0], exist_ok=True)
            with (self.folder / name).open("rb") as here, self.files.open(there, "wb") as file:
                shutil.copyfileobj(here, file)
        for name in self.state.keys() - now.keys():
            self.files.rm_file(f"{self.path.rstrip('/')}/{name}")
        self.state = now

    def _state(self) -> dict[str, tuple[int, int]]:
        return {
            str(path.relative_to(self.folder)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in self.folder.rglob("*")
            if path.is_file() and not path.name.endswith(".lock") and not path.name.startswith(".run-")
        }
