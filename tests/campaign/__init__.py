"""A campaign of kills: operations, ways to kill them at any moment, and what must hold afterwards.

``make campaign`` runs it for as long as it is told to; each kill can be repeated by its seed.
"""
