"""The checked program as frozen data: expressions, ways of scoring, types, and the suite that holds
them.
"""
