"""The loop: decides what to try next. Knows search, prompts, models and budgets; no compilers, no containers."""
