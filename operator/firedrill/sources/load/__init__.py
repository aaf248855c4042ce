"""Load on a server: exact timers, a lean HTTP/1.1 client, and the loops that decide when a request leaves."""
