"""The instruments: problems, candidates, verdicts, the judge, and the tools a model may call."""
