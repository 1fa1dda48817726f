"""What is told of a run: one set of facts from its event log and its artifacts, shown as a page, Markdown or JSON."""
