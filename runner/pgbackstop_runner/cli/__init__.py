"""The commands: each reads its arguments, calls one operation, and shows the result.

What a command does not need is not imported: psycopg alone costs 150 ms, and ``pgbackstop list`` must
answer at once.
"""
