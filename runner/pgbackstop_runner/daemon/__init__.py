"""The daemon: it decides what is due, starts it as a child process, and sees to it that no run is lost.

What is decided depends on the clock and the records alone, so a daemon that is killed at any moment and
started again decides the same.
"""
