"""Does it work? Suites, scoring and workloads; imported by nobody but the face."""
