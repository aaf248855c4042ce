"""The steps of an AutoFix run against a cluster."""
