"""`df.rmg`: grading as a method of every pandas frame. Registered once pandas is there, and no cause of its import."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
    from importlib.machinery import ModuleSpec

    from pandas import DataFrame

    from rmg_dsl.api import PlanView, Result
    from rmg_dsl.api.sources import Spec
    from rmg_dsl.plan import LoopMode

ACCESSOR_NAME = "rmg"


class Accessor:
    """Grades the frame that it hangs on; the frame itself is never changed, and nothing is kept on it.

    >>> import pandas as pd
    >>> import rmg_dsl
    >>> df = pd.DataFrame({"response": ["a b c", "a"]}, index=[7, 9])
    >>> df.rmg.score("grader brief = words(response) <= 2")["brief"].to_dict()
    {7: False, 9: True}
    """

    def __init__(self, frame: DataFrame) -> None:
        self._frame = frame

    def score(self, spec: Spec, **options: Any) -> DataFrame:
        """A new frame with the graders' and aggregates' columns; `refine` declarations are left out."""
        return self._grade_frame(spec, "leave", options).df

    def refine(self, spec: Spec, **options: Any) -> DataFrame:
        """A new frame with what the `refine` declarations come to; nothing is graded that these do not need.

        Raises UsageError where the spec has none.
        """
        from rmg_dsl.api import Options, prepare, run_job
        from rmg_dsl.errors import UsageError

        job = prepare(spec, self._frame, Options.of(options), loops="alone")
        if not job.plan.loops:
            raise UsageError(
                "the spec declares no `refine`: `df.rmg.score` gives the columns of its graders"
            )
        return run_job(job).df

    def grade(self, spec: Spec, **options: Any) -> Result:
        """The whole result: frame, summary, failures, usage."""
        return self._grade_frame(spec, "run", options)

    def plan(self, spec: Spec, **options: Any) -> PlanView:
        """The steps, and how many calls this frame costs."""
        from rmg_dsl.api import plan_view

        return plan_view(spec, self._frame, **options)

    def _grade_frame(self, spec: Spec, loops: LoopMode, options: dict[str, Any]) -> Result:
        from rmg_dsl.api import Options, prepare, run_job

        return run_job(prepare(spec, self._frame, Options.of(options), loops=loops))


def register() -> None:
    """Give every frame its accessor: now if pandas is loaded, else in the moment that it is."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and hasattr(pandas, "api"):
        _attach_accessor(pandas)
    elif not any(isinstance(finder, _PandasImportFinder) for finder in sys.meta_path):
        finder: MetaPathFinder = _PandasImportFinder()  # type: ignore[assignment] # a finder by its method: the base class would load half of importlib
        sys.meta_path.insert(0, finder)


def _attach_accessor(pandas: ModuleType) -> None:
    if not hasattr(pandas.DataFrame, ACCESSOR_NAME):
        pandas.api.extensions.register_dataframe_accessor(ACCESSOR_NAME)(Accessor)


class _PandasImportFinder:
    """Waits for the import of pandas, lets it happen as it would, then registers and is gone."""

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
        # Many libraries only look whether pandas could be imported: the finder stays until it really is.
        self._is_searching = True
        try:
            from importlib.util import find_spec

            spec = find_spec(name)
        finally:
            self._is_searching = False
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader, self)  # type: ignore[assignment,arg-type] # by their methods, as above
        return spec


class _RegisteringLoader:
    """Pandas' own loader, with one step after it."""

    def __init__(self, loader: Loader, finder: MetaPathFinder) -> None:
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
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
