"""The checked program as frozen data: expressions, ways of scoring, types, columns, the suite."""
