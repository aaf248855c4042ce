"""Adapters that read tables and speak to model servers. They know no engine; runner and command line wire both."""
