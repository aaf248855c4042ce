"""A surge of read requests against the API server, in a process of its own."""
