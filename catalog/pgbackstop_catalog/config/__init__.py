"""The configuration: its parts, how it is found and read, and its reference."""
