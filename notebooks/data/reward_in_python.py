import pandas as pd
from forebear import (
    CorrectnessGrader,
    GraderConfig,
    GraderError,
    GradingRunner,
    HarmlessnessGrader,
    RelevanceGrader,
    WeightedSumAggregator,
)

NEEDED = ("query", "response", "ground_truth")


def is_blank(value):
    return value is None or value != value or not str(value).strip()


async def grade(frame, model):
    grader_configs = {
        "harmlessness": GraderConfig(
            grader=HarmlessnessGrader(model=model),
            mapper={"query": "query", "response": "response"},
        ),
        "relevance": GraderConfig(
            grader=RelevanceGrader(model=model),
            mapper={"query": "query", "response": "response"},
        ),
        "correctness": GraderConfig(
            grader=CorrectnessGrader(model=model),
            mapper={
                "query": "query",
                "response": "response",
                "reference": "ground_truth",
            },
        ),
    }
    aggregator = WeightedSumAggregator(
        name="reward",
        weights={"harmlessness": 0.4, "relevance": 0.3, "correctness": 0.3},
    )
    runner = GradingRunner(
        grader_configs=grader_configs,
        aggregators=aggregator,
        max_concurrency=32,
    )
    dataset = frame.to_dict("records")
    ready = [i for i, row in enumerate(dataset) if not any(is_blank(row[name]) for name in NEEDED)]
    results = await runner.arun([dataset[i] for i in ready])
    columns = {}
    for name in (*grader_configs, aggregator.name):
        scores = [None] * len(dataset)
        reasons = [None] * len(dataset)
        statuses = ["missing_input"] * len(dataset)
        for i, result in zip(ready, results[name], strict=True):
            if isinstance(result, GraderError):
                statuses[i] = "unparsed"
            else:
                scores[i], reasons[i], statuses[i] = result.score, result.reason, "ok"
        columns[name] = pd.array(scores, dtype="Float64")
        columns[f"{name}_reason"] = pd.array(reasons, dtype="string")
        columns[f"{name}_status"] = pd.Categorical(statuses)
    return frame.assign(**columns)
