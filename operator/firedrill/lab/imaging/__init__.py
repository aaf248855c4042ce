"""Container images made without a container engine: layers as tar files, images as OCI archives."""
