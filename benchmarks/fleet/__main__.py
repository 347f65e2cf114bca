"""Prints what is measured; docs/benchmarks.md gets it from ``python -m benchmarks fleet``."""

from benchmarks import fleet

if __name__ == "__main__":
    print(fleet.measure(fleet.arguments()))
