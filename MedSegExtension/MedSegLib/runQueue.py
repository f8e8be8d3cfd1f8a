"""Runs one after another, each a row with a state."""

from __future__ import annotations

from medseg.errors import InputError, MedSegError

from .messages import errorText


class Run:
    """One row: what shall run, and how it went. Subclasses say how to start.

    name : for the row. state : "waiting", "running", "cancelling", "done", "failed", "cancelled". message : why, or
    what was found. job : the job, once started.
    """

    def __init__(self, name: str) -> None:
        self.name, self.state, self.message = name, "waiting", ""
        self.job = None
        self.progress = None

    def start(self, onProgress, onFinished):
        """Start and return the job. Raises MedSegError. For subclasses."""
        raise NotImplementedError

    def finish(self) -> None:
        """Called when the job is done, before the next run starts. For subclasses."""

    @property
    def finished(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


class RunQueue:
    """``onChanged(run)`` is called when a run's state or progress changes, ``onFinished(run)`` when it has ended."""

    def __init__(self, onChanged, onFinished) -> None:
        self.runs: list[Run] = []
        self.current: Run | None = None
        self._onChanged, self._onFinished = onChanged, onFinished
        self._going = False

    @property
    def running(self) -> bool:
        return self.current is not None

    @property
    def waiting(self) -> list[Run]:
        return [run for run in self.runs if run.state == "waiting"]

    def add(self, run: Run) -> None:
        self.runs.append(run)
        self._onChanged(run)

    def start(self, only: Run | None = None) -> None:
        """Start the first run that waits, or ``only`` this one, and go on until none waits."""
        self._going = only is None
        if self.current is None:
            self._next(only)

    def goOn(self) -> None:
        """What waits shall run after what runs now."""
        self._going = True

    def cancel(self) -> None:
        """Stop what runs; what waits stays waiting."""
        self._going = False
        if self.current is not None and self.current.job is not None:
            self.current.state = "cancelling"
            self._onChanged(self.current)
            self.current.job.cancel()

    def remove(self, run: Run) -> None:
        """Take a row out; one that runs is cancelled, and the next goes on."""
        if run is self.current:
            run.job.cancel()
        if run in self.runs:
            self.runs.remove(run)

    def clear(self) -> None:
        """Forget everything: the scene is closing. What runs is cancelled."""
        self._going = False
        self.runs = [run for run in self.runs if run is self.current]
        if self.current is not None:
            self.cancel()
            self.runs = []

    def clearFinished(self) -> None:
        self.runs = [run for run in self.runs if not run.finished]

    def _next(self, only: Run | None = None) -> None:
        while self.current is None:
            run = only or next(iter(self.waiting), None)
            if run is None:
                return
            only = None
            self.current = run
            run.state = "running"
            self._onChanged(run)
            try:
                run.job = run.start(lambda moment, run=run: self._progressed(run, moment), self._jobFinished)
            except MedSegError as error:
                self._end(run, "failed", errorText(error))
                self._onFinished(run)
                if not self._going:
                    return

    def _progressed(self, run: Run, moment) -> None:
        run.progress = moment
        self._onChanged(run)

    def _jobFinished(self, job) -> None:
        run = self.current
        if run is None:
            return
        run.job = job
        message = ""
        if job.state == "done":
            try:
                message = run.finish() or ""
            except (MedSegError, OSError) as error:
                job.state, job.error = "failed", error if isinstance(error, MedSegError) else InputError(str(error))
        if job.state == "failed":
            message = errorText(job.error)
        self._end(run, job.state, message)
        self._onFinished(run)
        if self._going:
            self._next()

    def _end(self, run: Run, state: str, message: str) -> None:
        self.current = None
        run.state, run.message = state, message
        self._onChanged(run)
