"""What an evaluation leaves in its folder: JSON, a page and plots, of itself and of a comparison."""

from __future__ import annotations

import json
from typing import Any

from evals.comparing import Comparison, beside
from evals.page import COMPARISON_PLOT, FAST_P_PLOT, SPEEDUPS_PLOT, comparison_page, to_markdown
from evals.plots import comparison_plot, fast_p_plot, speedups_plot
from evals.reporting import REPORT_FILE, SuiteReport
from evals.results import ResultsFolder


def to_json(report: SuiteReport) -> dict[str, Any]:
    """The report with the agent beside the other arms: what is published, and what ``--json`` prints."""
    return {**report.to_json(), "beside": {arm: found.to_json() for arm, found in beside(report).items()}}


def write_report(report: SuiteReport, folder: ResultsFolder) -> None:
    """Write ``report.json``, ``report.md`` and its plots. Raises ResultsError."""
    folder.write(REPORT_FILE, json.dumps(to_json(report), indent=1) + "\n")
    folder.write(FAST_P_PLOT, fast_p_plot(report))
    folder.write(SPEEDUPS_PLOT, speedups_plot(report))
    folder.write("report.md", to_markdown(report))


def write_comparison(found: Comparison, folder: ResultsFolder) -> None:
    """Write ``comparison.json``, ``comparison.md`` and its plot. Raises ResultsError."""
    folder.prepare(())
    folder.write("comparison.json", json.dumps(found.to_json(), indent=1) + "\n")
    folder.write(COMPARISON_PLOT, comparison_plot(found))
    folder.write("comparison.md", comparison_page(found))
