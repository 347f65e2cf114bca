"""The console's HTTP API: what programs ask and start, by the functions that the pages use."""
