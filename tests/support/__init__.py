"""What the tests of the operator share: a client, a fault proxy, a stand-in for pods, and the operator's process."""
