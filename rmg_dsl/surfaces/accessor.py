"""`df.rmg`: grading as methods of every pandas frame.

The accessor is registered when pandas is loaded; this module never imports pandas itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
    from importlib.machinery import ModuleSpec

    from pandas import DataFrame

    from rmg_dsl.api import GradeOptions, PlanView, Result
    from rmg_dsl.api.sources import Spec
    from rmg_dsl.plan import LoopMode

ACCESSOR_NAME = "rmg"


class Accessor:
    """Grades its frame. The frame itself is never changed, and the accessor keeps no results.

    >>> import pandas as pd
    >>> import rmg_dsl
    >>> df = pd.DataFrame({"response": ["a b c", "a"]}, index=[7, 9])
    >>> df.rmg.score("grader brief = words(response) <= 2")["brief"].to_dict()
    {7: False, 9: True}
    """

    def __init__(self, frame: DataFrame) -> None:
        self._frame = frame

    def score(self, spec: Spec, **options: Unpack[GradeOptions]) -> DataFrame:
        """Return a new frame with the columns of the graders and aggregates, without `refine`."""
        return self._grade_frame(spec, "leave", options).df

    def refine(self, spec: Spec, **options: Unpack[GradeOptions]) -> DataFrame:
        """Return a new frame with the results of the `refine` declarations.

        It computes only the graders that these need. Raises UsageError where the spec has none.
        """
        from rmg_dsl.api import Options, prepare, run_job
        from rmg_dsl.errors import UsageError

        job = prepare(spec, self._frame, Options.of(options), loops="alone")
        if not job.plan.loops:
            raise UsageError(
                "the spec declares no `refine`: `df.rmg.score` gives the columns of its graders"
            )
        return run_job(job).df

    def grade(self, spec: Spec, **options: Unpack[GradeOptions]) -> Result:
        """Return the whole result: frame, summary, failures, usage."""
        return self._grade_frame(spec, "run", options)

    def plan(self, spec: Spec, **options: Unpack[GradeOptions]) -> PlanView:
        """Plan a run over this frame: its steps, and how many calls it costs."""
        from rmg_dsl.api import plan_view

        return plan_view(spec, self._frame, **options)

    def _grade_frame(self, spec: Spec, loops: LoopMode, options: GradeOptions) -> Result:
        from rmg_dsl.api import Options, prepare, run_job

        return run_job(prepare(spec, self._frame, Options.of(options), loops=loops))


def register() -> None:
    """Register the accessor: now if pandas is loaded, else as soon as it is."""
    pandas = sys.modules.get("pandas")
    # A half-loaded pandas has no `api` yet.
    if pandas is not None and hasattr(pandas, "api"):
        _attach_accessor(pandas)
    elif not any(isinstance(finder, _PandasImportFinder) for finder in sys.meta_path):
        # A finder by its method: importing the base class would load half of importlib.
        finder: MetaPathFinder = _PandasImportFinder()  # type: ignore[assignment]
        sys.meta_path.insert(0, finder)


def _attach_accessor(pandas: ModuleType) -> None:
    if not hasattr(pandas.DataFrame, ACCESSOR_NAME):
        _document_methods()
        pandas.api.extensions.register_dataframe_accessor(ACCESSOR_NAME)(Accessor)


def _document_methods() -> None:
    """List the options in the docstrings of the methods.

    Not at import: `import rmg_dsl` would load the table of options without need.
    """
    from rmg_dsl.api.options import document_options

    for method in (Accessor.score, Accessor.refine, Accessor.grade, Accessor.plan):
        document_options(method)


class _PandasImportFinder:
    """Registers the accessor right after the first import of pandas, then removes itself."""

    def __init__(self) -> None:
        self._is_searching = False

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,  # noqa: ARG002 - the import system's signature
    ) -> ModuleSpec | None:
        if name != "pandas" or self._is_searching:
            return None
        # Many libraries only test whether pandas is installed: stay until it is really imported.
        self._is_searching = True
        try:
            from importlib.util import find_spec

            spec = find_spec(name)
        finally:
            self._is_searching = False
        if spec is not None and spec.loader is not None:
            # By their methods again, without the base classes of importlib.
            spec.loader = _RegisteringLoader(spec.loader, self)  # type: ignore[assignment,arg-type]
        return spec


class _RegisteringLoader:
    """The loader of pandas, with the registration after it."""

    def __init__(self, loader: Loader, finder: MetaPathFinder) -> None:
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _attach_accessor(module)
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
