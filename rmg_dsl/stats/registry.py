"""Every statistic, by its name in the language and by the function that computes it.

To add one, define it in the module of its family and declare it in `std/functions.rmg`.
"""

from __future__ import annotations

from collections.abc import Mapping

from rmg_dsl.stats import (
    agreement,
    correlation,
    quantiles,
    reliability,
    shares_and_means,
    spread,
)
from rmg_dsl.stats.definition import ColumnStatistic, StatisticDefinition

# The lines of an agreement table stand in this order.
_FAMILIES = (shares_and_means, quantiles, spread, agreement, correlation, reliability)

STATISTICS: Mapping[str, StatisticDefinition] = {
    definition.name: definition for family in _FAMILIES for definition in family.STATISTICS
}

DEFINITIONS: Mapping[ColumnStatistic, StatisticDefinition] = {
    definition.compute: definition for definition in STATISTICS.values()
}
