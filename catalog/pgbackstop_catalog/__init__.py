"""The contract between two programs that never meet: the runner, which writes, and the exporter, which reads.

Configuration, records, the catalog, and the pure decisions over them live here. Nothing in this
package talks to PostgreSQL, opens a socket or prints.
"""

__version__ = "0.1.0"
