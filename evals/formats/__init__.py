"""Definitions with workloads, as FlashInfer-Trace and SOL-ExecBench have them, made into problem files of our form."""
