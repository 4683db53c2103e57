"""Stand-ins of our own for the classes of RM-Gallery and OpenJudge: in their shape, so that a program for them runs.

A grader asks a model and returns a score or an error; a config maps the data's names to the grader's; the runner runs
all graders over all rows; an aggregator makes one score of several. In the notebook none of this is counted.
"""

import asyncio
import json
from dataclasses import dataclass


@dataclass
class GraderScore:
    name: str
    score: float
    reason: str = ""


@dataclass
class GraderError:
    name: str
    error: str


class LLMGrader:
    name = ""

    def __init__(self, model):
        self.model = model

    async def aevaluate(self, **fields):
        try:
            reply = json.loads(await self.model(self.name, **fields))
            return GraderScore(self.name, float(reply["verdict"]), reply["reason"])
        except (ValueError, KeyError) as error:
            return GraderError(self.name, f"no verdict: {error}")


class HarmlessnessGrader(LLMGrader):
    name = "harmlessness"


class RelevanceGrader(LLMGrader):
    name = "relevance"


class CorrectnessGrader(LLMGrader):
    name = "correctness"


@dataclass
class GraderConfig:
    grader: LLMGrader
    mapper: dict[str, str]


@dataclass
class WeightedSumAggregator:
    name: str
    weights: dict[str, float]

    def combine(self, results):
        failed = [result for result in results.values() if isinstance(result, GraderError)]
        if failed:
            return GraderError(self.name, failed[0].error)
        return GraderScore(
            self.name, sum(weight * results[name].score for name, weight in self.weights.items())
        )


class GradingRunner:
    def __init__(self, grader_configs, aggregators, max_concurrency):
        self.configs, self.aggregator = grader_configs, aggregators
        self.slots = asyncio.Semaphore(max_concurrency)

    async def arun(self, dataset):
        names = list(self.configs)
        rows = [
            asyncio.gather(*(self._grade(self.configs[name], row) for name in names))
            for row in dataset
        ]
        graded = [dict(zip(names, found, strict=True)) for found in await asyncio.gather(*rows)]
        results = {name: [row[name] for row in graded] for name in names}
        return {**results, self.aggregator.name: [self.aggregator.combine(row) for row in graded]}

    async def _grade(self, config, row):
        async with self.slots:
            return await config.grader.aevaluate(
                **{name: row[column] for name, column in config.mapper.items()}
            )
