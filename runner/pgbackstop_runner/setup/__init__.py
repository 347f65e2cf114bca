"""The first configuration: made of a few answers, with the SQL of the role that it names."""
