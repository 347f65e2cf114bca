"""Speed and memory beside PostgreSQL's own tools and other backup programs: ``make bench``.

Not tests: they take minutes, and what counts are ratios measured in one run. Each section is a module with
``title`` and ``run(options)``, which returns the markdown of its section in ``docs/benchmarks.md``.
"""
