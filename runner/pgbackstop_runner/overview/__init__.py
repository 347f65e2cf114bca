"""The overview: whether one is safe, to which second each server can be restored, proven when."""
