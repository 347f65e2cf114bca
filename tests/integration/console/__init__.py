"""Tests of the console: a package, since pytest ends what is of package scope at the end of one alone."""
