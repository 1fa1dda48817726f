"""Selection policies: which candidates to start from next, and what each proposal may see."""
