"""Why a candidate takes as long as it does: profilers, compilers' reports and checkers, all in one form."""
