"""Clusters made of real Kubernetes processes in Linux namespaces; no container engine is needed."""
