"""Selection policies: which candidates to build on, and what each proposal may see."""
