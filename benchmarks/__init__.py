"""Speed and memory beside PostgreSQL's own tools and other backup programs: ``make bench``.

Not tests: they take minutes, and what counts are ratios measured in one run. Each section is a module with
``title`` and ``run(options)``, which returns the markdown of its section in ``docs/benchmarks.md``.
"""

import os
import sys

# While Python looks for the module that it is to run, this is its first word: a test imports modules too.
# https://docs.python.org/3/using/cmdline.html#cmdoption-m
if sys.argv[:1] == ["-m"]:
    # Without bytecode each start compiles all modules anew, which takes longer than most commands: what is
    # measured is an installed program, and pip compiles that.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
