"""One module a command, imported only when it is the one to run; each has ``run(arguments) -> exit code``."""
