"""Statistics of columns: their estimates, intervals, and why one is undefined. Pure functions.

`registry` holds every statistic by name; each family has a module (`shares_and_means`, `quantiles`,
`spread`, `agreement`, `correlation`, `reliability`). `cells` counts rows, `jackknife`, `bootstrap`
and `intervals` make bounds, `estimates` joins them, `over_rows` serves a `require`, and
`comparison` and `grouping` serve agreement with people.
"""

from rmg_dsl.stats.over_rows import estimate_of

__all__ = ["estimate_of"]
