"""The catalog: where records are kept, and how they are written and listed."""
