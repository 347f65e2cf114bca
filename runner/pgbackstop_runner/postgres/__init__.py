"""PostgreSQL: sessions, facts, client programs, private servers, and the meaning of its messages."""
