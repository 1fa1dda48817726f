"""Two small graphs within the run's: one says what a verdict means, the other what is known about it."""
