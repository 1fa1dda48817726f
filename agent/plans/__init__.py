"""Many operators in one unattended run: the plan, its folder, who comes next, what is left, what is told of it."""
