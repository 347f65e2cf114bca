"""The web side: pages, their exposition, the server, and who may read them."""
